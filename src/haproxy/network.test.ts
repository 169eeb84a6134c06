import { beforeEach, expect, test } from "bun:test";

import type { Engine } from "../core/engine.ts";
import { DeployerError } from "../core/errors.ts";
import { fakeEngine } from "../../test/fakes/engine.ts";
import { FakeHost } from "../../test/fakes/host.ts";
import { service } from "../../test/fakes/service.ts";
import { createEdgeNetworks, type EdgeNetworks } from "./network.ts";

let host: FakeHost;
let engine: Engine;
let networks: EdgeNetworks;
let next: number;

beforeEach(() => {
  next = 0;
  host = new FakeHost([]);
  engine = fakeEngine(host);
  networks = createEdgeNetworks(engine);
  host.images.local.set("web:v1", "sha256:web");
});

async function addressOf(id: string): Promise<string> {
  const given = await networks.addressOf("shop", id, next);
  next = given.next;
  return given.address;
}

function container(): string {
  return host.create(service("web", { image: "web:v1" })).id;
}

test("the network has the subnet that Docker would have given it, but said by us", async () => {
  await networks.ensure("shop");
  await networks.ensure("shop");
  expect(host.calls).toEqual([
    "create network shop-edge-probe",
    "remove network shop-edge-probe",
    "create network shop-edge of 10.9.0.0/26",
  ]);
});

test("each container gets an address of its own and keeps it", async () => {
  const [one, two] = [container(), container()];
  expect(await addressOf(one)).toBe("10.9.0.2");
  expect(await addressOf(two)).toBe("10.9.0.3");
  const calls = host.calls.length;
  expect(await addressOf(one)).toBe("10.9.0.2");
  expect(host.calls.slice(calls)).toEqual([]);
});

test("two that ask at once do not get the same", async () => {
  const given = await Promise.all([container(), container(), container()].map(addressOf));
  expect(given).toEqual(["10.9.0.2", "10.9.0.3", "10.9.0.4"]);
});

test("an address that was freed is the last to be given again", async () => {
  const one = container();
  await addressOf(one);
  await engine.remove(one, { volumes: false });
  expect(await addressOf(container())).toBe("10.9.0.3");
});

test("the address of a container that does not run is not given away", async () => {
  const one = container();
  await addressOf(one);
  next = 0;
  expect(await addressOf(container())).toBe("10.9.0.3");
});

test("one that a person has put into the network gets an address that it keeps", async () => {
  await networks.ensure("shop");
  const id = container();
  const { id: networkId = "" } = (await engine.network("shop-edge")) ?? {};
  await engine.connect({ network: "shop-edge", networkId, aliases: [], address: "", settings: {} }, id);
  expect(await addressOf(id)).toBe("10.9.0.2");
});

test("one whose network is gone is put into the new one", async () => {
  const id = container();
  await addressOf(id);
  const { id: networkId = "" } = (await engine.network("shop-edge")) ?? {};
  await engine.removeNetwork(networkId);
  // As Docker does it: by the name it was attached under.
  const seen = host.containers.get(id);
  host.hooks.set(`disconnect ${id} from shop-edge 3`, () => void (seen && (seen.networks = [])));
  expect(await addressOf(id)).toMatch(/^10\.9\.2\./);
});

test("a full network is an error that says so", async () => {
  await networks.ensure("shop");
  for (let n = 0; n < 54; n += 1) await addressOf(container());
  await expect(addressOf(container())).rejects.toMatchObject({
    code: "edge",
    message: expect.stringContaining("network shop-edge is full: all addresses of 10.9.0.0/26 are taken"),
  });
});

test("a network of the same name that is not ours is left alone", async () => {
  await engine.createNetwork({
    name: "shop-edge",
    labels: {},
    internal: false,
    openInside: true,
    ipv4: undefined,
  });
  await expect(networks.ensure("shop")).rejects.toMatchObject({
    code: "edge",
    message:
      "there is a network shop-edge already, which is not the edge's: remove it (docker network rm shop-edge)",
  });
});

test("what a kill has left of the search for a subnet is taken away", async () => {
  host.hooks.set("remove network shop-edge-probe", () => {
    throw new DeployerError("docker", "killed");
  });
  await expect(networks.ensure("shop")).rejects.toMatchObject({ message: "killed" });
  host.hooks.clear();
  await networks.ensure("shop");
  expect(await engine.network("shop-edge-probe")).toBeUndefined();
  expect((await engine.network("shop-edge"))?.subnet).toBe("10.9.1.0/26");
});

test("a subnet that somebody else takes at the last moment is looked for again", async () => {
  let isTaken = true;
  host.hooks.set("create network shop-edge of 10.9.0.0/26", () => {
    if (isTaken) throw new DeployerError("docker", "Pool overlaps with other one on this address space");
  });
  host.hooks.set("create network shop-edge of 10.9.1.0/26", () => {
    isTaken = false;
  });
  await networks.ensure("shop");
  expect((await engine.network("shop-edge"))?.subnet).toBe("10.9.1.0/26");
});

test("pools without a free subnet are an error of the edge", async () => {
  host.hooks.set("create network shop-edge-probe", () => {
    throw new DeployerError("docker", "could not find an available, non-overlapping IPv4 address pool");
  });
  await expect(networks.ensure("shop")).rejects.toMatchObject({
    code: "edge",
    message: "no network for the edge: could not find an available, non-overlapping IPv4 address pool",
  });
});

test("at the end the network goes, and nothing that does not run holds on to it", async () => {
  const id = container();
  await addressOf(id);
  await networks.remove("shop");
  await networks.remove("shop");
  expect(await engine.members("shop-edge")).toEqual([]);
  expect(await engine.network("shop-edge")).toBeUndefined();
});
