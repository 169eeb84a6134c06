import { describe, expect, test } from "bun:test";

import type { Attachment } from "../core/engine.ts";
import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";

const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };
const ATTACHMENT: Attachment = {
  network: "app_default",
  networkId: "n1",
  aliases: ["web", "spare"],
  address: "10.0.0.2",
  settings: { Links: ["app-db-1:database"], DriverOpts: null },
};

const NEW = { name: "shop-edge", labels: { owner: "us" }, internal: true, openInside: false };

/** An engine that answers `change` to a change, and shows a container attached as `networks` says. */
function engineWith(change: () => Response, networks: Record<string, unknown> | undefined) {
  const bodies: unknown[] = [];
  const fake = fakeEngine(async (request) => {
    if (request.method === "POST") {
      bodies.push(await request.json());
      return change();
    }
    if (networks === undefined) return Response.json({ message: "No such container" }, { status: 404 });
    return Response.json({
      Id: "c1",
      Name: "/app-web-1",
      Image: "sha256:aaa",
      State: { Status: "running", ExitCode: 0 },
      HostConfig: {},
      Config: {},
      NetworkSettings: { Networks: networks },
    });
  });
  return { fake, bodies, engine: createEngine({ host: fake.host, clock }) };
}

function refusal(): Response {
  return Response.json({ message: "Docker's own words" }, { status: 403 });
}

test("a container is attached under its aliases, with everything else the network has to know of it", async () => {
  const { fake, bodies, engine } = engineWith(() => new Response(), {});
  await using _ = fake;
  await engine.connect(ATTACHMENT, "c1");
  expect(fake.requests.slice(1)).toEqual(["POST /v1.41/networks/n1/connect"]);
  expect(bodies).toEqual([
    {
      Container: "c1",
      EndpointConfig: { Links: ["app-db-1:database"], DriverOpts: null, Aliases: ["web", "spare"] },
    },
  ]);
});

test("one that is attached so already stays so", async () => {
  const { fake, engine } = engineWith(refusal, {
    app_default: { NetworkID: "n1", Aliases: ["c1", "spare", "web"] },
  });
  await using _ = fake;
  await engine.connect(ATTACHMENT, "c1");
});

test.each([
  ["is attached under fewer names", { app_default: { NetworkID: "n1", Aliases: ["web"] } }],
  ["is attached under more names", { app_default: { NetworkID: "n1", Aliases: ["web", "spare", "api"] } }],
  ["is in another network", { app_back: { NetworkID: "n2", Aliases: ["web", "spare"] } }],
  ["is gone", undefined],
])("one that cannot be attached because it %s is an error", async (_, networks) => {
  const { fake, engine } = engineWith(refusal, networks);
  await using _fake = fake;
  await expect(engine.connect(ATTACHMENT, "c1")).rejects.toMatchObject({
    code: "docker",
    message: "Docker could not attach container c1 to network app_default: Docker's own words",
  });
});

test("a container is taken off a network", async () => {
  const { fake, bodies, engine } = engineWith(() => new Response(), {});
  await using _ = fake;
  await engine.disconnect("n1", "c1");
  expect(fake.requests.slice(1)).toEqual(["POST /v1.41/networks/n1/disconnect"]);
  expect(bodies).toEqual([{ Container: "c1", Force: false }]);
});

test.each([
  ["in another network", { app_back: { NetworkID: "n2" } }],
  ["gone", undefined],
])("one that is %s is off it", async (_, networks) => {
  const { fake, engine } = engineWith(refusal, networks);
  await using _fake = fake;
  await engine.disconnect("n1", "c1");
});

test("one that stays attached is an error", async () => {
  const { fake, engine } = engineWith(refusal, { app_default: { NetworkID: "n1" } });
  await using _ = fake;
  await expect(engine.disconnect("n1", "c1")).rejects.toMatchObject({
    code: "docker",
    message: "Docker could not take container c1 off network n1: Docker's own words",
  });
});

test("a name never becomes more than one part of a path", async () => {
  const { fake, engine } = engineWith(refusal, undefined);
  await using _ = fake;
  await engine.disconnect("../containers/x?", "c1");
  expect(fake.requests[1]).toBe("POST /v1.41/networks/..%2Fcontainers%2Fx%3F/disconnect");
});

test("the id of the default bridge tells one start of the engine from another", async () => {
  let isThere = true;
  await using fake = fakeEngine(() =>
    isThere ? Response.json({ Id: "n0" }) : Response.json({ message: "not found" }, { status: 404 }),
  );
  const engine = createEngine({ host: fake.host, clock });
  expect(await engine.startId()).toBe("n0");
  isThere = false;
  expect(await engine.startId()).toBe("");
});

describe("a network", () => {
  test("is known by its name, with the IPv4 subnet it has", async () => {
    await using fake = fakeEngine(() =>
      Response.json({
        Id: "n1",
        Name: "shop-edge",
        Labels: { owner: "us" },
        IPAM: { Config: [{ Subnet: "fd00::/64" }, { Subnet: "10.9.0.0/26", Gateway: "10.9.0.1" }] },
      }),
    );
    const engine = createEngine({ host: fake.host, clock });
    expect(await engine.network("shop-edge")).toEqual({
      id: "n1",
      name: "shop-edge",
      subnet: "10.9.0.0/26",
      labels: { owner: "us" },
    });
    expect(fake.requests.at(-1)).toBe("GET /v1.41/networks/shop-edge");
  });

  test("that has neither labels nor addresses is one", async () => {
    await using fake = fakeEngine(() =>
      Response.json({ Id: "n1", Name: "x", Labels: null, IPAM: { Config: null } }),
    );
    const engine = createEngine({ host: fake.host, clock });
    expect(await engine.network("x")).toEqual({ id: "n1", name: "x", subnet: "", labels: {} });
  });

  test("that is not there is undefined, and its removal success", async () => {
    await using fake = fakeEngine(() => Response.json({ message: "not found" }, { status: 404 }));
    const engine = createEngine({ host: fake.host, clock });
    expect(await engine.network("x")).toBeUndefined();
    await engine.removeNetwork("n1");
    expect(fake.requests.at(-1)).toBe("DELETE /v1.41/networks/n1");
  });

  test("is made with the addresses that are said, or those of Docker's pools", async () => {
    const bodies: unknown[] = [];
    await using fake = fakeEngine(async (request) => {
      bodies.push(await request.json());
      return Response.json({ Id: "n1", Warning: "" }, { status: 201 });
    });
    const engine = createEngine({ host: fake.host, clock });
    const ipv4 = { subnet: "10.9.0.0/26", gateway: "10.9.0.1", dynamicRange: "10.9.0.56/29" };
    expect(await engine.createNetwork({ ...NEW, ipv4 })).toBe("n1");
    await engine.createNetwork({ ...NEW, internal: false, openInside: true, ipv4: undefined });
    const common = { Name: "shop-edge", CheckDuplicate: true, Driver: "bridge", Labels: { owner: "us" } };
    expect(bodies).toEqual([
      {
        ...common,
        Internal: true,
        Options: { "com.docker.network.bridge.enable_icc": "false" },
        IPAM: { Config: [{ Subnet: "10.9.0.0/26", Gateway: "10.9.0.1", IPRange: "10.9.0.56/29" }] },
      },
      { ...common, Internal: false, Options: { "com.docker.network.bridge.enable_icc": "true" } },
    ]);
  });

  test("that Docker does not make, or keeps, is an error in its words", async () => {
    await using fake = fakeEngine(refusal);
    const engine = createEngine({ host: fake.host, clock });
    await expect(engine.createNetwork({ ...NEW, ipv4: undefined })).rejects.toMatchObject({
      code: "docker",
      message: "Docker could not create network shop-edge: Docker's own words",
    });
    await expect(engine.removeNetwork("n1")).rejects.toMatchObject({
      message: "Docker could not remove network n1: Docker's own words",
    });
  });
});
