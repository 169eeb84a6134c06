import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Compose } from "../../src/core/compose.ts";
import type { Container, Engine } from "../../src/core/engine.ts";
import { createCompose } from "../../src/docker/compose.ts";
import { createEngine } from "../../src/docker/engine.ts";
import { dockerHost } from "../../src/docker/host.ts";
import { systemClock } from "../../src/system/clock.ts";
import { httpProbe } from "../../src/system/probe.ts";
import { run } from "../../src/system/run.ts";
import { fakeLog } from "../fakes/log.ts";
import { publishImage } from "../support/images.ts";
import type { Project } from "../support/project.ts";
import { stage, stageProject } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const LONG = 20_000;
const SHORT = 500;
const ONCE = async () => true;
const NO_IMAGES = { images: new Map<string, string>() };

const containerName = `fixed-${crypto.randomUUID().slice(0, 8)}`;

const cleanup = new AsyncDisposableStack();
let engine: Engine;
let compose: Compose;
let project: Project;
let stateDir: string;
/** A tag that no registry has: whoever pulls it fails. */
let local: string;
/** `repo:tag` as it was pulled. */
let pulled: string;
let pulledDigest: string;

beforeAll(async () => {
  const { docker, registry } = stage();
  const repository = `engine-adapter/${crypto.randomUUID()}`;
  const published = await publishImage(registry, {
    repository,
    tag: "v1",
    version: "v1",
    user: "nobody",
    volumes: ["/data"],
    healthcheck: { passes: false, intervalMs: 200 },
  });
  pulled = published.reference;
  pulledDigest = published.digest;
  local = `${registry.address}/${repository}:only-here`;
  await docker.docker("pull", "--quiet", pulled);
  await docker.docker("tag", pulled, local);

  stateDir = mkdtempSync(join(tmpdir(), "engine-adapter-"));
  cleanup.defer(() => rmSync(stateDir, { recursive: true, force: true }));
  project = cleanup.use(stageProject({ compose: composeFile("never") }));
  await project.compose("up", "--detach", "web", "peer", "fixed");
  project.write(composeFile("always"));
  engine = createEngine({ host: dockerHost({ DOCKER_HOST: docker.host }), clock: systemClock });
  compose = createCompose({ composeFile: project.file, stateDir, env: project.env, run, log: fakeLog() });
});

afterAll(() => cleanup.disposeAsync());

test("what runs is seen with its health check, ports and networks", async () => {
  const seen = await waitFor("a health check to have run", LONG, async () => {
    const container = await only("web");
    return container.healthOutput !== "" && container;
  });
  expect(seen).toMatchObject({
    // The image says how often.
    healthcheck: {
      argv: ["/bin/sh", "-c", "echo first; echo never; exit 1"],
      intervalMs: 200,
      timeoutMs: 2_000,
      startPeriodMs: 60_000,
      retries: 4,
    },
    healthOutput: "never",
    tcpPorts: [8080],
    labels: { "com.docker.compose.service": "web" },
  });
  expect(seen.networks.map(({ network, aliases }) => [network, aliases.toSorted()])).toEqual([
    [`${project.name}_back`, ["spare", "web"]],
    [`${project.name}_default`, ["web"]],
  ]);
});

test.each<[string, string[], number, string]>([
  [
    "its exit code and last line",
    ["sh", "-c", "echo out; sleep 0.3; echo 'the end' >&2; exit 5"],
    5,
    "the end",
  ],
  ["its words as they are", ["printf", "%s|", "a b", '"', "$HOME", "--", ""], 0, 'a b|"|$HOME|--||'],
  ["the container's own user and environment", ["sh", "-c", 'echo "$(id -un) $GREETING"'], 0, "nobody a $b"],
  ["its end, whatever it leaves behind", ["sh", "-c", "sleep 60 & echo started"], 0, "started"],
  ["its end, though it closes its output", ["sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 7"], 7, ""],
])("a command in a container has %s", async (_, argv, exitCode, output) => {
  expect(await engine.exec((await only("web")).id, argv, LONG)).toEqual({ exitCode, output });
});

test("a program that is not there has the exit code Docker gives it", async () => {
  const { exitCode, output } = await engine.exec((await only("web")).id, ["/no/such"], LONG);
  expect([126, 127]).toContain(exitCode ?? 0);
  expect(output).toContain("no such file or directory");
});

test.each([
  ["sleeps", ["sleep", "60"], ""],
  ["prints for ever", ["yes"], "y"],
])("a command that %s is given up at the deadline", async (_, argv, output) => {
  expect(await engine.exec((await only("web")).id, argv, SHORT)).toEqual({ exitCode: undefined, output });
});

test("a container that is killed ends the command in it; afterwards it takes none", async () => {
  const { id } = await only("peer");
  const command = engine.exec(id, ["sleep", "60"], LONG);
  await waitFor("the command to run", LONG, async () =>
    (await stage().docker.docker("top", id)).stdout.includes("sleep 60"),
  );
  await stage().docker.docker("kill", id);
  expect((await command).exitCode).toBe(137);
  await expect(engine.exec(id, ["true"], LONG)).rejects.toMatchObject({ code: "docker" });
  await engine.start(id);
});

test("a new container off its names is reached by address only, until it is given them", async () => {
  const old = await only("web");
  await compose.createBeside(NO_IMAGES, "web", 2, async () => new Map());
  const created = (await all("web")).find(({ id }) => id !== old.id);
  if (created === undefined) throw new Error("no container was created");
  expect(created.state).toBe("created");
  expect(created.networks.map(withoutAddress)).toEqual(old.networks.map(withoutAddress));

  for (const network of created.networks) {
    await engine.disconnect(network.networkId, created.id);
    await engine.disconnect(network.networkId, created.id);
    await engine.connect({ ...network, aliases: [] }, created.id);
  }
  await engine.start(created.id);
  const hidden = await see(created.id);
  expect(hidden.networks.map(({ networkId, aliases }) => [networkId, aliases])).toEqual(
    created.networks.map(({ networkId }) => [networkId, []]),
  );
  for (const { address } of hidden.networks) {
    const request = { path: "/", host: undefined, headers: {} };
    const status = await waitFor("it to serve", LONG, () =>
      httpProbe.status(address, 8080, request, SHORT).catch(() => undefined),
    );
    expect(status).toBe(200);
  }
  for (const name of ["web", "spare"]) expect(await resolved(name)).toEqual(await resolved(old.name));
  expect(await resolved(created.name)).toHaveLength(1);
  expect(await gateway(created.id)).toBe(await gateway(old.id));

  for (const network of created.networks) {
    await expect(engine.connect(network, created.id)).rejects.toMatchObject({ code: "docker" });
    await engine.disconnect(network.networkId, created.id);
    await engine.connect(network, created.id);
    await engine.connect(network, created.id);
  }
  const shown = await see(created.id);
  expect(shown.networks.map(withoutAddress)).toEqual(created.networks.map(withoutAddress));
  const both = [...(await resolved(old.name)), ...(await resolved(created.name))].toSorted();
  for (const name of ["web", "spare"]) expect(await resolved(name)).toEqual(both);
  expect(await gateway(created.id)).toBe(await gateway(old.id));
  await engine.remove(created.id, { volumes: true });
  await engine.disconnect(shown.networks[0]?.networkId ?? "", created.id);
});

test("a static address is kept", async () => {
  const { id, networks } = await only("fixed");
  for (const network of networks) {
    await engine.disconnect(network.networkId, id);
    await engine.connect(network, id);
  }
  expect((await see(id)).networks).toEqual(networks);
  expect(networks[0]?.address).toBe("10.99.7.5");
});

test("an image has its platform and names, gets more, and goes with the last", async () => {
  const info = await engine.info();
  const image = await engine.image(pulled);
  expect(image).toMatchObject({ os: info.os, architecture: info.architecture, hasVolumes: true });
  expect(image?.tags.toSorted()).toEqual([local, pulled].toSorted());
  expect(image?.digests).toEqual([`${pulled.slice(0, pulled.lastIndexOf(":"))}@${pulledDigest}`]);
  expect(readdirSync(info.rootDir)).toContain("image");

  const keep = `deployer.local/keep:${crypto.randomUUID()}.0`;
  const [repository = "", tag = ""] = keep.split(":");
  await engine.tag(image?.id ?? "", repository, tag);
  await engine.tag(image?.id ?? "", repository, tag);
  expect((await engine.images()).find(({ id }) => id === image?.id)?.tags).toContain(keep);
  expect(await engine.removeImage(keep)).toBe("removed");
  expect(await engine.removeImage(keep)).toBe("gone");
  expect((await engine.image(pulled))?.tags.toSorted()).toEqual([local, pulled].toSorted());

  const other = await publishImage(stage().registry, {
    repository: `engine-adapter/${crypto.randomUUID()}`,
    tag: "v2",
    // Of its own: an image that has names elsewhere on this Docker only loses one of them.
    version: crypto.randomUUID(),
  });
  await stage().docker.docker("pull", "--quiet", other.reference);
  const { stdout } = await stage().docker.docker("create", other.reference);
  expect(await engine.removeImage(other.reference)).toBe("in use");
  await engine.remove(stdout.trim(), { volumes: true });
  expect(await engine.removeImage(other.reference)).toBe("removed");
  expect(await engine.image(other.imageId)).toBeUndefined();
});

test("a command of its own has its words as they are, and nothing that the service's containers have to themselves", async () => {
  const before = await all();
  const words = ["a b", '"', "'", "--rm", "-d", "--", "$HOME", "${NOPE}", "$$", ""];
  const script = 'cat; echo "$GREETING"; for word in "$@"; do echo "[$word]"; done; exit 3';
  const labels = { "deployer-service.before": "d1.web.1", "with.dollar": "$x=y z" };
  await compose.runOneOff(NO_IMAGES, "web", ["sh", "-c", script, "--", ...words], labels, ONCE);

  const made = await newSince(before);
  expect(made).toMatchObject({ service: "web", oneOff: true, restartPolicy: "no", imageText: local, labels });
  expect(made.networks.flatMap(({ aliases }) => aliases)).toEqual([]);
  expect(await ended(made)).toBe(3);
  expect(await engine.logs(made.id, 50)).toEqual(["a $b", ...words.map((word) => `[${word}]`)]);
  const { stdout } = await stage().docker.docker(
    "inspect",
    "--format",
    "{{.HostConfig.PortBindings}}",
    made.id,
  );
  expect(stdout.trim()).toBe("map[]");
  expect((await all("database")).length).toBe(before.filter(({ service }) => service === "database").length);
  expect(readdirSync(join(stateDir, "configs")).filter((name) => name.startsWith("one-off"))).toEqual([]);
  await engine.remove(made.id, { volumes: true });
});

test("a command that is there already is not started", async () => {
  const before = await all();
  await compose.runOneOff(NO_IMAGES, "web", ["true"], {}, async () => false);
  expect((await all()).map(({ id }) => id).toSorted()).toEqual(before.map(({ id }) => id).toSorted());
});

test("a command of a service with a fixed name and address runs beside it", async () => {
  const before = await all();
  const recorded = await compose.record(new Map());
  await compose.runOneOff({ recorded }, "fixed", ["sh", "-c", "exit 4"], {}, ONCE);
  const made = await newSince(before);
  expect(await ended(made)).toBe(4);
  await engine.remove(made.id, { volumes: true });
});

test("an image that is missing is neither built nor pulled for a command", async () => {
  project.writeFile("Dockerfile", "FROM scratch\nLABEL a=b\n");
  await expect(compose.runOneOff(NO_IMAGES, "built", ["true"], {}, ONCE)).rejects.toMatchObject({
    code: "rollout",
    message: expect.stringMatching(/running a command of "built": .*no such image/i),
  });
  expect(await engine.image("engine-adapter.invalid/built:v1")).toBeUndefined();
});

test("a command that cannot be started says why, and its container is there", async () => {
  const before = await all();
  await expect(compose.runOneOff(NO_IMAGES, "web", ["/no/such"], {}, ONCE)).rejects.toMatchObject({
    code: "rollout",
    message: expect.stringContaining("no such file or directory"),
  });
  const made = await newSince(before);
  expect(made).toMatchObject({ state: "created", startedAt: "" });
  await engine.remove(made.id, { volumes: true });
});

async function all(service?: string): Promise<Container[]> {
  const found = await engine.containers(project.name);
  return found.filter((each) => service === undefined || (each.service === service && !each.oneOff));
}

async function only(service: string): Promise<Container> {
  const [container, ...others] = await all(service);
  if (container === undefined || others.length > 0) throw new Error(`not one container of ${service}`);
  return container;
}

async function see(id: string): Promise<Container> {
  const container = await engine.container(id);
  if (container === undefined) throw new Error(`container ${id} is gone`);
  return container;
}

async function newSince(before: readonly Container[]): Promise<Container> {
  const known = new Set(before.map(({ id }) => id));
  const [made, ...others] = (await all()).filter(({ id }) => !known.has(id));
  if (made === undefined || others.length > 0) throw new Error("not one new container");
  return made;
}

function ended({ id }: Container): Promise<number> {
  return waitFor("the command to end", LONG, async () => {
    const { state, exitCode } = await see(id);
    return state === "exited" && exitCode;
  });
}

function withoutAddress({ network, networkId, aliases }: Container["networks"][number]): unknown {
  return { network, networkId, aliases: aliases.toSorted() };
}

/** The addresses a peer gets for a name, in one order. */
async function resolved(name: string): Promise<string[]> {
  const { id } = await only("peer");
  const { stdout } = await stage().docker.tryDocker("exec", id, "nslookup", name);
  const [, ...answers] = stdout.split(/^Name:/m);
  return answers.flatMap((answer) => answer.match(/\d+\.\d+\.\d+\.\d+/g) ?? []).toSorted();
}

/** Where its default route goes. */
async function gateway(id: string): Promise<string | undefined> {
  const { stdout } = await stage().docker.docker("exec", id, "ip", "route");
  return /^default via (\S+)/m.exec(stdout)?.[1];
}

/** No registry has its images. */
function composeFile(pullPolicy: "always" | "never"): string {
  return `
services:
  web:
    image: ${local}
    pull_policy: ${pullPolicy}
    restart: always
    ports: ["127.0.0.1::8080"]
    environment: { GREETING: "a $$b" }
    networks: { default: {}, back: { aliases: [spare] } }
    depends_on: [database]
    healthcheck: { test: "echo first; echo never; exit 1", timeout: 2s, start_period: 1m, retries: 4 }
  database:
    image: ${local}
  peer:
    image: ${local}
    networks: [default, back]
  fixed:
    image: ${local}
    pull_policy: ${pullPolicy}
    container_name: ${containerName}
    networks: { addressed: { ipv4_address: 10.99.7.5 } }
  built:
    image: engine-adapter.invalid/built:v1
    build: .
    pull_policy: ${pullPolicy}
networks:
  back: {}
  addressed: { ipam: { config: [{ subnet: 10.99.7.0/24 }] } }
`;
}
