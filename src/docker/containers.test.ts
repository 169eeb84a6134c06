import { expect, test } from "bun:test";

import type { Container } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";

const ANONYMOUS = "f6fa7f3367c6bad3b08f767a4c38b14049ffef7b134070cd08da5a1b11731ecc";
const clock: Clock = { now: () => Date.now(), sleep: (milliseconds) => Bun.sleep(milliseconds) };

const ATTACHED = {
  NetworkID: "n1",
  Aliases: ["app-web-1", "web", "spare", "web"],
  IPAddress: "10.0.0.2",
  GlobalIPv6Address: "fd00::2",
  IPAMConfig: { IPv4Address: "10.0.0.2" },
  Links: ["app-db-1:database"],
  DriverOpts: null,
  MacAddress: "02:42:0a:00:00:02",
};

function inspection(id: string, changes: Record<string, unknown> = {}) {
  return {
    Id: id,
    Name: "/app-web-1",
    Image: "sha256:aaa",
    RestartCount: 2,
    State: {
      Status: "running",
      Running: true,
      ExitCode: 0,
      OOMKilled: false,
      StartedAt: "2026-11-23T06:00:00.1Z",
      FinishedAt: "0001-01-01T00:00:00Z",
      Health: {
        Status: "healthy",
        Log: [{ Output: "older" }, { Output: "HTTP/1.1 503\n\u001b[1mbusy\u001b[0m\n\n" }],
      },
    },
    HostConfig: {
      NetworkMode: "app_default",
      RestartPolicy: { Name: "unless-stopped", MaximumRetryCount: 0 },
    },
    Config: {
      Image: "web:v1@sha256:bbb",
      Labels: {
        "com.docker.compose.project": "app",
        "com.docker.compose.service": "web",
        "com.docker.compose.config-hash": "hash",
        "com.docker.compose.oneoff": "False",
      },
      ExposedPorts: { "8080/tcp": {}, "53/udp": {}, "80/tcp": {} },
      Healthcheck: { Test: ["CMD", "true"], Interval: 1_000_000_000 },
    },
    NetworkSettings: { Networks: { app_default: { ...ATTACHED, Aliases: [...ATTACHED.Aliases, id] } } },
    Mounts: [
      { Type: "volume", Name: ANONYMOUS },
      { Type: "volume", Name: "app_data" },
      { Type: "bind", Source: "/srv" },
    ],
    ...changes,
  };
}

const WEB: Container = {
  id: "c1",
  name: "app-web-1",
  service: "web",
  state: "running",
  exitCode: 0,
  health: "healthy",
  healthcheck: { argv: ["true"], intervalMs: 1_000, timeoutMs: 30_000, startPeriodMs: 0, retries: 3 },
  healthOutput: "busy",
  exposesPorts: true,
  tcpPorts: [80, 8080],
  networks: [
    {
      network: "app_default",
      networkId: "n1",
      aliases: ["web", "spare"],
      address: "10.0.0.2",
      settings: { IPAMConfig: { IPv4Address: "10.0.0.2" }, Links: ["app-db-1:database"], DriverOpts: null },
    },
  ],
  networkMode: "app_default",
  oomKilled: false,
  restarts: 2,
  startedAt: "2026-11-23T06:00:00.1Z",
  finishedAt: "",
  restartPolicy: "unless-stopped",
  imageText: "web:v1@sha256:bbb",
  imageId: "sha256:aaa",
  composeHash: "hash",
  oneOff: false,
  anonymousVolumes: [ANONYMOUS],
  labels: {
    "com.docker.compose.project": "app",
    "com.docker.compose.service": "web",
    "com.docker.compose.config-hash": "hash",
    "com.docker.compose.oneoff": "False",
  },
};

function notFound(): Response {
  return Response.json({ message: "No such container" }, { status: 404 });
}

test("the containers of a project are listed by label, each looked at; one that vanishes in between is left out", async () => {
  await using fake = fakeEngine((_, url) => {
    if (url.pathname.endsWith("/containers/json"))
      return Response.json([{ Id: "c1" }, { Id: "gone" }, { Id: "c2" }]);
    if (url.pathname.endsWith("/gone/json")) return notFound();
    return Response.json(inspection(url.pathname.split("/").at(-2) ?? ""));
  });
  const containers = await createEngine({ host: fake.host, clock }).containers("app");
  expect(containers).toEqual([WEB, { ...WEB, id: "c2" }]);
  expect(fake.requests[1]).toBe(
    'GET /v1.41/containers/json?all=true&filters={"label":["com.docker.compose.project=app"]}',
  );
});

test("a hundred containers are looked at a few at a time", async () => {
  let now = 0;
  let most = 0;
  await using fake = fakeEngine(async (_, url) => {
    if (url.pathname.endsWith("/containers/json")) {
      return Response.json(Array.from({ length: 100 }, (_unused, index) => ({ Id: `c${index}` })));
    }
    now += 1;
    most = Math.max(most, now);
    await Bun.sleep(1);
    now -= 1;
    return Response.json(inspection(url.pathname.split("/").at(-2) ?? ""));
  });
  const containers = await createEngine({ host: fake.host, clock }).containers("app");
  expect(containers.map((container) => container.id)).toEqual(
    Array.from({ length: 100 }, (_, index) => `c${index}`),
  );
  expect(most).toBeLessThanOrEqual(8);
});

test("a container that never started, has no labels, mounts or health, is understood too", async () => {
  await using fake = fakeEngine(() =>
    Response.json({
      Id: "c1",
      Name: "/x",
      Image: "sha256:aaa",
      State: {
        Status: "created",
        ExitCode: 0,
        StartedAt: "0001-01-01T00:00:00Z",
        FinishedAt: "0001-01-01T00:00:00Z",
      },
      HostConfig: { RestartPolicy: { Name: "" } },
      Config: { Image: "x", Labels: null },
      Mounts: null,
    }),
  );
  expect(await createEngine({ host: fake.host, clock }).container("c1")).toMatchObject({
    service: "",
    state: "created",
    health: "none",
    exposesPorts: false,
    startedAt: "",
    finishedAt: "",
    restartPolicy: "no",
    oneOff: false,
    anonymousVolumes: [],
    healthcheck: undefined,
    healthOutput: "",
    tcpPorts: [],
    networks: [],
    networkMode: "bridge",
    labels: {},
  });
});

test("a container that has not been started says its networks by name only: their ids are asked for", async () => {
  const created = { NetworkID: "", Aliases: ["web"], IPAddress: "" };
  await using fake = fakeEngine((_, url) => {
    if (url.pathname.endsWith("/networks/app_default")) return Response.json({ Id: "n1" });
    if (url.pathname.includes("/networks/")) return notFound();
    return Response.json(
      inspection("c1", { NetworkSettings: { Networks: { app_default: created, gone: created } } }),
    );
  });
  const container = await createEngine({ host: fake.host, clock }).container("c1");
  expect(container?.networks.map(({ network, networkId }) => [network, networkId])).toEqual([
    ["app_default", "n1"],
    ["gone", ""],
  ]);
});

test.each(["host", "none"])("the network %s is none to be attached to", async (mode) => {
  await using fake = fakeEngine(() =>
    Response.json(
      inspection("c1", {
        HostConfig: { NetworkMode: mode },
        NetworkSettings: { Networks: { [mode]: { NetworkID: "n1" } } },
      }),
    ),
  );
  expect(await createEngine({ host: fake.host, clock }).container("c1")).toMatchObject({
    networks: [],
    networkMode: mode,
  });
});

test("a container in an IPv6 network alone has that address", async () => {
  await using fake = fakeEngine(() =>
    Response.json(
      inspection("c1", {
        NetworkSettings: { Networks: { app_default: { ...ATTACHED, IPAddress: "" } } },
      }),
    ),
  );
  const container = await createEngine({ host: fake.host, clock }).container("c1");
  expect(container?.networks[0]?.address).toBe("fd00::2");
});

test("a state of a later Docker is judged by whether the process lives", async () => {
  await using fake = fakeEngine(() =>
    Response.json(inspection("c1", { State: { Status: "stopping", Running: true, ExitCode: 0 } })),
  );
  expect((await createEngine({ host: fake.host, clock }).container("c1"))?.state).toBe("running");
});

test("a container that is gone is undefined", async () => {
  await using fake = fakeEngine(notFound);
  expect(await createEngine({ host: fake.host, clock }).container("c1")).toBeUndefined();
});

test("an answer of another shape is a docker error that says which part", async () => {
  await using fake = fakeEngine(() => Response.json({ ...inspection("c1"), State: { ExitCode: 0 } }));
  await expect(createEngine({ host: fake.host, clock }).container("c1")).rejects.toMatchObject({
    code: "docker",
    message: expect.stringContaining("could not inspect container c1 (State.Status:"),
  });
});

test("an id that is not an id never becomes a path", async () => {
  await using fake = fakeEngine(() => new Response(null, { status: 204 }));
  const engine = createEngine({ host: fake.host, clock });
  await expect(engine.remove("../images/x", { volumes: false })).rejects.toMatchObject({ code: "internal" });
  await expect(engine.start("c1?x")).rejects.toMatchObject({ code: "internal" });
  expect(fake.requests).toEqual([]);
});

test.each([204, 304])("a start answered with %d is a start", async (status) => {
  await using fake = fakeEngine(() => new Response(null, { status }));
  await createEngine({ host: fake.host, clock }).start("c1");
  expect(fake.requests[1]).toBe("POST /v1.41/containers/c1/start");
});

test("a start that Docker refuses says why", async () => {
  const message =
    "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: port is already allocated";
  await using fake = fakeEngine(() => Response.json({ message }, { status: 500 }));
  await expect(createEngine({ host: fake.host, clock }).start("c1")).rejects.toMatchObject({
    code: "docker",
    message: `Docker could not start container c1: ${message}`,
  });
});

test.each([204, 304, 404])("a stop answered with %d is a stop", async (status) => {
  await using fake = fakeEngine((request) =>
    request.method === "GET" ? Response.json(inspection("c1")) : new Response(null, { status }),
  );
  await createEngine({ host: fake.host, clock }).stop("c1");
  expect(fake.requests.at(-1)).toBe("POST /v1.41/containers/c1/stop");
});

test("stopping and removing a container that is gone succeeds", async () => {
  await using fake = fakeEngine(notFound);
  const engine = createEngine({ host: fake.host, clock });
  await engine.stop("c1");
  await engine.remove("c1", { volumes: true });
  expect(fake.requests.slice(1)).toEqual([
    "GET /v1.41/containers/c1/json",
    "DELETE /v1.41/containers/c1?force=true&v=true",
  ]);
});

test("a removal under way elsewhere is waited for", async () => {
  let looks = 0;
  await using fake = fakeEngine((request) => {
    if (request.method === "DELETE") {
      return Response.json({ message: "removal of container c1 is already in progress" }, { status: 409 });
    }
    looks += 1;
    return looks < 3 ? Response.json(inspection("c1")) : notFound();
  });
  const quick: Clock = { now: () => 0, sleep: () => Promise.resolve() };
  await createEngine({ host: fake.host, clock: quick }).remove("c1", { volumes: false });
  expect(looks).toBe(3);
});

test("a removal that never ends is an error", async () => {
  await using fake = fakeEngine((request) =>
    request.method === "DELETE"
      ? Response.json({ message: "removal of container c1 is already in progress" }, { status: 409 })
      : Response.json(inspection("c1")),
  );
  let now = 0;
  const quick: Clock = {
    now: () => now,
    sleep(milliseconds) {
      now += milliseconds;
      return Promise.resolve();
    },
  };
  const removing = createEngine({ host: fake.host, clock: quick }).remove("c1", { volumes: false });
  await expect(removing).rejects.toThrow("Docker did not finish the removal of container c1");
});

test("a container that is told to end by a signal is not brought back", async () => {
  const bodies: unknown[] = [];
  await using fake = fakeEngine(async (request, url) => {
    if (!url.pathname.endsWith("/update")) return new Response(undefined, { status: 204 });
    bodies.push(await request.json());
    return Response.json({ Warnings: null });
  });
  await createEngine({ host: fake.host, clock }).endBySignal("c1", "SIGUSR1");
  expect(fake.requests.slice(1)).toEqual([
    "POST /v1.41/containers/c1/update",
    "POST /v1.41/containers/c1/kill?signal=SIGUSR1",
  ]);
  expect(bodies).toEqual([{ RestartPolicy: { Name: "no" } }]);
});

test.each([
  ["is gone", 404, 404],
  ["does not run", 200, 409],
])("one that %s needs no signal", async (_, update, kill) => {
  await using fake = fakeEngine((_request, url) =>
    Response.json({ message: "so it is" }, { status: url.pathname.endsWith("/update") ? update : kill }),
  );
  await createEngine({ host: fake.host, clock }).endBySignal("c1", "SIGUSR1");
  const asked = fake.requests.map((line) => /c1\/(\w+)/.exec(line)?.[1]).filter((step) => step !== undefined);
  expect(asked).toEqual(update === 404 ? ["update"] : ["update", "kill"]);
});

test("a signal that Docker does not send is an error", async () => {
  await using fake = fakeEngine((_request, url) =>
    url.pathname.endsWith("/update")
      ? Response.json({ Warnings: null })
      : Response.json({ message: "no such signal" }, { status: 400 }),
  );
  await expect(createEngine({ host: fake.host, clock }).endBySignal("c1", "SIGNONE")).rejects.toMatchObject({
    code: "docker",
    message: "Docker could not send SIGNONE to container c1: no such signal",
  });
});
