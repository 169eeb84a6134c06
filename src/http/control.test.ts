import { expect, test } from "bun:test";

import { type Caller, MAY_ALL } from "../core/caller.ts";
import { accept } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import { controlRoutes, type Host } from "./control.ts";
import { fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const HOST: Caller = { issuer: "host", may: MAY_ALL, repository: undefined, token: undefined };
const PLACE: ReturnType<Host["compose"]> = {
  composeFile: "/srv/app/docker-compose.yml",
  pinsFile: undefined,
  folder: "/",
  pid: 7,
};

function ask(changes: Partial<Host> = {}) {
  const host: Host = {
    restart: async (service) => ({ containers: [`${service}-1`], problems: [] }),
    up: async () => [],
    guards: () => [],
    dropGuards: () => 0,
    rejected: () => [],
    async *checks() {},
    compose: () => PLACE,
    alone: async (task, signal) => task(signal),
    ...changes,
  };
  const { daemon } = fakeDaemon();
  const app = createApp(daemon, controlRoutes(host));
  return async (method: string, path: string, init: RequestInit = {}) =>
    await app.request(path, { method, ...init }, { ...NO_NETWORK, caller: HOST });
}

test("whoever the socket lets in needs no token, and is called host", async () => {
  expect((await ask()("GET", "/services")).status).toBe(200);
  const issuers: string[] = [];
  const { daemon } = fakeDaemon({
    outcome: undefined,
    submit: async (request, issuer) => {
      issuers.push(issuer);
      return accept("d1", request, issuer, 0);
    },
  });
  const reply = await createApp(daemon).request(
    "/deploy",
    { method: "POST", body: '{"service":"web"}', headers: { Prefer: "respond-async" } },
    { ...NO_NETWORK, caller: HOST },
  );
  expect([reply.status, issuers]).toEqual([202, ["host"]]);
});

test("restart takes a service and says what was restarted", async () => {
  const reply = await ask()("POST", "/restart", { body: '{"service":"web"}' });
  expect([reply.status, await reply.json()]).toEqual([
    200,
    { service: "web", containers: ["web-1"], problems: [] },
  ]);
  for (const body of ["", "{", "[]", '{"service":""}', '{"service":"web","more":1}', "null"])
    expect([body, (await ask()("POST", "/restart", { body })).status]).toEqual([body, 400]);
  const refused = ask({ restart: async () => Promise.reject(new DeployerError("conflict", "no container")) });
  expect((await refused("POST", "/restart", { body: '{"service":"web"}' })).status).toBe(409);
});

test("up tells what was done about each service", async () => {
  const request = {
    kind: "deploy",
    parts: [{ service: "web", image: undefined }],
    to: undefined,
    force: false,
  } as const;
  const deployment = accept("d1", request, "host", 0);
  const reply = await ask({
    up: async () => [
      { service: "web", did: "deploying", text: "why", deployment },
      { service: "db", did: "left_alone", text: "", deployment: undefined },
    ],
  })("POST", "/up");
  expect(await reply.json()).toMatchObject({
    services: [
      { service: "web", did: "deploying", text: "why", deployment: { id: "d1", status: "queued" } },
      { service: "db", did: "left_alone", deployment: null },
    ],
  });
});

test("guards are listed, and forgotten by service", async () => {
  const run = { workflow: "1/deploy.yml", number: 41, attempt: 1 };
  const asked: string[] = [];
  const request = ask({
    guards: () => [{ service: "a/b", run, deployment: "d1" }],
    dropGuards: (service) => asked.push(service),
  });
  expect(await (await request("GET", "/guards")).json()).toEqual({
    guards: [{ service: "a/b", ...run, deployment: "d1" }],
  });
  expect(await (await request("DELETE", "/guards/a%2Fb")).json()).toEqual({ service: "a/b", forgotten: 1 });
  expect(asked).toEqual(["a/b"]);
  expect((await request("POST", "/guards/web")).headers.get("Allow")).toBe("DELETE");
});

test("what was rejected is told as far as is asked for", async () => {
  const rejection = {
    remote: "192.0.2.7",
    method: "POST",
    path: "/deploy",
    code: "unauthorized",
    cause: "token signature is invalid",
    verified: false,
    unlisted: 0,
  } as const;
  const limits: number[] = [];
  const request = ask({
    rejected: (limit) => {
      limits.push(limit);
      return [{ ...rejection, at: 1_000, claims: undefined }];
    },
  });
  expect(await (await request("GET", "/rejected?limit=5")).json()).toEqual({
    rejected: [{ at: "1970-01-01T00:00:01.000Z", ...rejection, claims: null }],
  });
  await request("GET", "/rejected");
  expect(limits).toEqual([5, 1_000]);
  for (const limit of ["0", "1001", "x", "-1", "1.5"])
    expect([limit, (await request("GET", `/rejected?limit=${limit}`)).status]).toEqual([limit, 400]);
});

test("check and compose say what the daemon sees", async () => {
  const request = ask({
    async *checks() {
      yield { name: "disk", ok: true, detail: "9 GiB" };
    },
  });
  expect(await (await request("GET", "/check")).json()).toEqual({
    checks: [{ name: "disk", ok: true, detail: "9 GiB" }],
  });
  expect(await (await request("GET", "/compose")).json()).toEqual({
    compose_file: PLACE.composeFile,
    pins_file: null,
    folder: "/",
    pid: 7,
  });
});

test("the turn is held until the caller hangs up", async () => {
  const begin = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const reply = await ask({
    async alone(task, signal) {
      await begin.promise;
      await task(signal);
      over.resolve();
    },
  })("POST", "/compose/turn");
  const reader = reply.body?.getReader();
  const first = reader?.read();
  expect(await Promise.race([first, Bun.sleep(20).then(() => "waits")])).toBe("waits");
  begin.resolve();
  expect(new TextDecoder().decode((await first)?.value)).toBe("turn\n");
  await reader?.cancel();
  await over.promise;
});

test("a turn that ends by itself, because the daemon stops, ends the body", async () => {
  const stopping = new AbortController();
  const reply = await ask({ alone: (task, signal) => task(AbortSignal.any([signal, stopping.signal])) })(
    "POST",
    "/compose/turn",
  );
  stopping.abort();
  expect(await reply.text()).toBe("turn\n");
});

test("a turn that never came ends the body without a word", async () => {
  const reply = await ask({ alone: async () => Promise.reject(new Error("the daemon is stopping")) })(
    "POST",
    "/compose/turn",
  );
  expect(await reply.text()).toBe("");
});
