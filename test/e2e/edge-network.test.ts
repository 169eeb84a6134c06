import { afterAll, beforeAll, expect, test } from "bun:test";

import type { Engine } from "../../src/core/engine.ts";
import { createEngine } from "../../src/docker/engine.ts";
import { dockerHost } from "../../src/docker/host.ts";
import { createEdgeNetworks, type EdgeNetworks } from "../../src/haproxy/network.ts";
import { systemClock } from "../../src/system/clock.ts";
import { httpProbe } from "../../src/system/probe.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import { publishImage } from "../support/images.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const PROJECT = "shop";
const NETWORK = `${PROJECT}-edge`;
const START_DEADLINE = 20_000;
const ROOT = { path: "/", host: undefined, headers: {} };

const cleanup = new AsyncDisposableStack();
let docker: PrivateDocker;
let engine: Engine;
let networks: EdgeNetworks;
let image: string;
let next = 0;

beforeAll(async () => {
  const repository = `edge-network/${crypto.randomUUID()}`;
  image = (await publishImage(stage().registry, { repository, tag: "v1", version: "v1" })).reference;
  docker = cleanup.use(await startDocker());
  await docker.docker("pull", "--quiet", image);
  engine = createEngine({ host: dockerHost({ DOCKER_HOST: docker.host }), clock: systemClock });
  networks = createEdgeNetworks(engine);
});

afterAll(() => cleanup.disposeAsync());

test("containers keep their addresses, whoever starts first, and whatever becomes of Docker", async () => {
  const [web, api, idle] = [await start("web"), await start("api"), await create("idle")];
  const given = { web: await give(web), api: await give(api), idle: await give(idle) };
  expect(new Set(Object.values(given)).size).toBe(3);
  expect((await engine.network(NETWORK))?.labels).toEqual({ "deployer-service.edge": PROJECT });
  await expectAddresses({ [web]: given.web, [api]: given.api });

  await docker.docker("stop", "--time", "0", web, api);
  await docker.docker("start", api, idle);
  await docker.docker("start", web);
  await expectAddresses({ [web]: given.web, [api]: given.api, [idle]: given.idle });

  await docker.restart();
  await docker.docker("start", idle, api);
  await docker.docker("start", web);
  await expectAddresses({ [web]: given.web, [api]: given.api, [idle]: given.idle });
  expect(await give(web)).toBe(given.web);
  expect(await engine.network(`${NETWORK}-probe`)).toBeUndefined();
});

test("a container's default route stays what it was, and its address is reached from the host", async () => {
  const id = await start("routed");
  const before = await defaultRoute(id);
  const address = await give(id);
  expect(before).not.toBe("");
  expect(await defaultRoute(id)).toBe(before);
  expect(await answers(address)).toBe(200);
  await docker.docker("restart", "--time", "0", id);
  await expectAddresses({ [id]: address });
  expect(await defaultRoute(id)).toBe(before);
});

test("who joins by himself gets none of ours, and gets one that stays when we are asked", async () => {
  const ours = await give(await start("ours"));
  const stranger = await start("stranger");
  await docker.docker("network", "connect", NETWORK, stranger);
  const dynamic = await addressIn(stranger);
  const size = 64;
  // The last eight of the subnet.
  expect(Number(dynamic.split(".")[3]) % size).toBeGreaterThanOrEqual(size - 8);
  expect(dynamic).not.toBe(ours);

  const fixed = await give(stranger);
  expect(fixed).not.toBe(dynamic);
  await docker.docker("restart", "--time", "0", stranger);
  await expectAddresses({ [stranger]: fixed });
});

test("the address of a stopped container is not given away, one of a removed container is the last to be", async () => {
  const [stopped, removed] = [await create("stopped"), await create("removed")];
  const kept = await give(stopped);
  const freed = await give(removed);
  await docker.docker("rm", "--force", removed);
  const others = [await give(await create("other-1")), await give(await create("other-2"))];
  expect(others).not.toContain(kept);
  expect(others).not.toContain(freed);
  next = 0;
  expect(await give(await create("other-3"))).not.toBe(kept);
});

test("a stopped container whose network was taken away gets an address in the new one, and starts", async () => {
  const lone = createEdgeNetworks(engine);
  const id = await create("lone");
  await lone.addressOf("lone", id, 0);
  await docker.docker("network", "rm", "lone-edge");
  const { address } = await lone.addressOf("lone", id, 0);
  await docker.docker("start", id);
  expect(await answers(address)).toBe(200);
  await docker.docker("rm", "--force", id);
  await lone.remove("lone");
  expect(await engine.network("lone-edge")).toBeUndefined();
});

async function start(name: string): Promise<string> {
  const { stdout } = await docker.docker("run", "--detach", "--name", name, image);
  return stdout.trim();
}

async function create(name: string): Promise<string> {
  return (await docker.docker("create", "--name", name, image)).stdout.trim();
}

async function give(id: string): Promise<string> {
  const given = await networks.addressOf(PROJECT, id, next);
  next = given.next;
  return given.address;
}

async function addressIn(id: string): Promise<string> {
  const container = await engine.container(id);
  return container?.networks.find(({ network }) => network === NETWORK)?.address ?? "";
}

/** As Docker has it, and as it is reached from this host. */
async function expectAddresses(expected: Record<string, string>): Promise<void> {
  for (const [id, address] of Object.entries(expected)) {
    expect(await addressIn(id)).toBe(address);
    expect(await answers(address)).toBe(200);
  }
}

function answers(address: string): Promise<number> {
  return waitFor(`${address} to answer`, START_DEADLINE, () =>
    httpProbe.status(address, 8080, ROOT, 1_000).catch(() => undefined),
  );
}

async function defaultRoute(id: string): Promise<string> {
  const { stdout } = await docker.docker("exec", id, "ip", "route");
  return /^default.*$/m.exec(stdout)?.[0] ?? "";
}
