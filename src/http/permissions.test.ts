import { describe, expect, test } from "bun:test";

import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { type Grant, MAY_ALL, type Permissions } from "../core/caller.ts";
import { begin, type Deployment, type Diagnosis, end } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import type { ServiceState } from "../core/services.ts";
import { CREATED_AT, fakeDaemon, NO_NETWORK, readKeyOf } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const NONE: Grant = { deploy: new Set(), rollback: new Set(), read: new Set(), images: "all", logs: false };
const web = new Set(["web"]);
const REPOSITORY = "r.example.com/web";

/** What each token may do; `refused` is a good one that no rule is for. */
const ROLES: Record<string, Permissions | "refused" | "unknown"> = {
  all: MAY_ALL,
  deployer: [{ ...NONE, deploy: web, images: new Set([REPOSITORY]) }],
  undoer: [{ ...NONE, rollback: web }],
  reader: [{ ...NONE, read: web }],
  other: [{ ...NONE, deploy: new Set(["db"]), rollback: new Set(["db"]), read: new Set(["db"]) }],
  refused: "refused",
  unknown: "unknown",
};
type Role = "all" | "deployer" | "undoer" | "reader" | "other" | "refused" | "unknown" | "none" | "key";

const SECRET_WORDS = "password=hunter2";
const DIAGNOSIS: Diagnosis = {
  service: "web",
  container: "0123456789ab",
  exitCode: 1,
  signal: undefined,
  oomKilled: false,
  restarts: 0,
  health: `exited with 1: ${SECRET_WORDS}`,
  output: ["starting", SECRET_WORDS],
};
const FAILED = outcomeOf("rolled_back", {
  reason: "it did not start",
  code: "unhealthy",
  diagnoses: [DIAGNOSIS],
});

function deployment(id: string, ...services: string[]): Deployment {
  return end(begin(queued(id, CREATED_AT, services), CREATED_AT), FAILED, CREATED_AT);
}

function scene() {
  const fake = fakeDaemon({
    outcome: FAILED,
    verify: async (token) => {
      const may = ROLES[token];
      if (may === undefined || may === "unknown") throw new DeployerError("unauthorized", "the cause");
      if (may === "refused") throw new DeployerError("forbidden", "the cause");
      return { issuer: token, may, repository: undefined, token: undefined };
    },
    readiness: async () => new Map([["docker", "the details"]]),
    services: async () => ["web", "db"].map(serviceNamed),
  });
  for (const [id, services] of [
    ["w", ["web"]],
    ["both", ["web", "db"]],
    ["b", ["db"]],
  ] as const)
    fake.deployments.set(id, deployment(id, ...services));
  return fake;
}

function serviceNamed(name: string): ServiceState {
  return {
    name,
    state: "none",
    health: undefined,
    replicas: { wanted: 1, running: 0 },
    wanted: { image: "x", digest: undefined },
    running: undefined,
    since: undefined,
    exitCode: undefined,
    deployment: undefined,
    drift: [],
    versions: [],
    edge: undefined,
  };
}

async function ask(
  role: Role,
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
) {
  const fake = scene();
  const bearer = role === "key" ? readKeyOf("w") : role;
  const response = await createApp(fake.daemon).request(
    path,
    {
      method,
      headers: { ...(role === "none" ? {} : { Authorization: `Bearer ${bearer}` }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    NO_NETWORK,
  );
  return { fake, status: response.status, text: await response.text(), headers: response.headers };
}

const COLUMNS: Role[] = ["all", "deployer", "undoer", "reader", "other", "key", "refused", "unknown", "none"];

/** Status by role, in the order of the columns. */
const TABLE: [method: string, path: string, body: object | undefined, statuses: number[]][] = [
  ["GET", "/health", undefined, [200, 200, 200, 200, 200, 200, 200, 200, 200]],
  ["GET", "/version", undefined, [200, 200, 200, 200, 200, 200, 200, 200, 200]],
  ["GET", "/ready", undefined, [503, 503, 503, 503, 503, 503, 503, 503, 503]],
  ["GET", "/config", undefined, [200, 200, 200, 200, 200, 401, 403, 401, 401]],
  ["GET", "/deployments", undefined, [200, 200, 200, 200, 200, 401, 403, 401, 401]],
  ["GET", "/services", undefined, [200, 200, 200, 200, 200, 401, 403, 401, 401]],
  ["GET", "/deployments/w", undefined, [200, 404, 404, 200, 404, 200, 403, 401, 401]],
  ["GET", "/deployments/w/events", undefined, [200, 404, 404, 200, 404, 200, 403, 401, 401]],
  ["GET", "/deployments/both", undefined, [200, 404, 404, 404, 404, 401, 403, 401, 401]],
  ["GET", "/deployments/both/events", undefined, [200, 404, 404, 404, 404, 401, 403, 401, 401]],
  ["GET", "/deployments/unknown", undefined, [404, 404, 404, 404, 404, 401, 403, 401, 401]],
  ["POST", "/deploy", { service: "web" }, [500, 500, 403, 403, 403, 401, 403, 401, 401]],
  [
    "POST",
    "/deploy",
    { service: "web", image: `${REPOSITORY}:v1` },
    [500, 500, 403, 403, 403, 401, 403, 401, 401],
  ],
  [
    "POST",
    "/deploy",
    { service: "web", image: "r.example.com/evil:v1" },
    [500, 403, 403, 403, 403, 401, 403, 401, 401],
  ],
  ["POST", "/deploy", { services: ["web", "db"] }, [500, 403, 403, 403, 403, 401, 403, 401, 401]],
  ["POST", "/deploy", { services: ["web", "none"] }, [500, 403, 403, 403, 403, 401, 403, 401, 401]],
  ["POST", "/rollback", { service: "web" }, [500, 403, 500, 403, 403, 401, 403, 401, 401]],
  ["POST", "/logout", undefined, [401, 401, 401, 401, 401, 401, 401, 401, 401]],
];
for (const [method, path, body, statuses] of TABLE) {
  test.each(COLUMNS.map((role, index): [Role, number] => [role, statuses[index] ?? 0]))(
    `${method} ${path} ${body === undefined ? "" : JSON.stringify(body)} by %s is %p`,
    async (role, status) => {
      const reply = await ask(role, method, path, body);
      expect(reply.status).toBe(status);
      if (status === 403) {
        expect(reply.text).toBe("forbidden\n");
        expect(reply.fake.calls).not.toContain("submit");
        expect(reply.fake.lines).toEqual([
          expect.objectContaining({
            level: "warn",
            message: "forbidden request",
            fields: expect.objectContaining({ cause: expect.stringMatching(/./) }),
          }),
        ]);
      }
    },
  );
}

test("what may not be read is not there, in the same words", async () => {
  const hidden = await ask("other", "GET", "/deployments/w");
  expect(hidden.text).toBe('unknown deployment "w"\n');
  expect((await ask("other", "GET", "/deployments/w/events")).text).toBe(hidden.text);
});

test("the details of /ready are for every token that is accepted, and for no other", async () => {
  for (const role of COLUMNS) {
    const isAccepted = ["all", "deployer", "undoer", "reader", "other"].includes(role);
    expect([role, (await ask(role, "GET", "/ready")).text.includes("the details")]).toEqual([
      role,
      isAccepted,
    ]);
  }
});

test("lists have what may be read", async () => {
  const services = async (role: Role) => (await ask(role, "GET", "/services")).text.match(/"service":"\w+"/g);
  expect(await services("all")).toEqual(['"service":"web"', '"service":"db"']);
  expect(await services("reader")).toEqual(['"service":"web"']);
  expect(await services("deployer")).toBeNull();
});

test("a list is asked for what may be read", async () => {
  const asked: unknown[] = [];
  const fake = fakeDaemon({
    verify: async () => ({
      issuer: "x",
      may: [
        { ...NONE, read: web },
        { ...NONE, read: new Set(["db"]) },
      ],
      repository: undefined,
      token: undefined,
    }),
    list: (query) => (asked.push(query.readable), []),
  });
  await createApp(fake.daemon).request(
    "/deployments?service=web",
    { headers: { Authorization: "Bearer x" } },
    NO_NETWORK,
  );
  expect(asked).toEqual([new Set(["web", "db"])]);
});

describe("what containers printed", () => {
  const withLogs: Permissions = [{ ...NONE, deploy: web, read: web, logs: true }];
  const withoutLogs: Permissions = [{ ...NONE, deploy: web, read: web }];

  /** Everything that a caller gets to see of one failed deployment. */
  async function everything(may: Permissions): Promise<{ texts: string[]; key: string }> {
    const fake = fakeDaemon({
      outcome: FAILED,
      verify: async () => ({ issuer: "x", may, repository: undefined, token: undefined }),
    });
    const app = createApp(fake.daemon);
    const texts: string[] = [];
    let key = "";
    const get = async (path: string, init: RequestInit = {}, bearer = "x") => {
      const headers = { Authorization: `Bearer ${bearer}`, ...(init.headers as Record<string, string>) };
      const reply = await app.request(path, { ...init, headers }, NO_NETWORK);
      key = reply.headers.get("Deployer-Read") ?? key;
      texts.push(await reply.text());
    };
    const post = { method: "POST", body: '{"service":"web"}' };
    await get("/deploy", post);
    await get("/deploy", { ...post, headers: { Accept: "application/json" } });
    fake.deployments.set("d1", deployment("d1", "web"));
    for (const [phase, text] of [
      ["diagnosis", "container 0123456789ab: exit code 1"],
      ["output", `health: ${SECRET_WORDS}`],
      ["output", SECRET_WORDS],
      ["ended", "rolled_back"],
    ] as const)
      fake.tell("d1", text, phase);
    for (const bearer of ["x", key])
      for (const Accept of ["application/json", "text/event-stream"]) {
        await get("/deployments/d1", { headers: { Accept } }, bearer.replace("d2", "d1"));
        await get("/deployments/d1/events", { headers: { Accept } }, bearer.replace("d2", "d1"));
      }
    return { texts, key };
  }

  test("is shown to those whose rule has logs", async () => {
    const { texts, key } = await everything(withLogs);
    for (const text of texts) expect(text).toContain(SECRET_WORDS);
    expect(key).toBe(readKeyOf("d2", true));
  });

  test("is shown to nobody else, nor by their read key, and a word says so", async () => {
    const { texts, key } = await everything(withoutLogs);
    expect(texts).toHaveLength(10);
    for (const text of texts) {
      expect(text).not.toContain(SECRET_WORDS);
      expect(text).toContain("is not shown: no rule of this caller has logs: true");
      expect(text).toContain("0123456789ab");
    }
    expect(key).toBe(readKeyOf("d2", false));
  });

  test("is one event for many, under the number of the last", async () => {
    const fake = fakeDaemon({
      verify: async () => ({ issuer: "x", may: withoutLogs, repository: undefined, token: undefined }),
    });
    fake.deployments.set("d1", deployment("d1", "web"));
    for (const phase of ["diagnosis", "output", "output", "ended", "output"] as const)
      fake.tell("d1", "x", phase);
    const reply = await createApp(fake.daemon).request(
      "/deployments/d1/events",
      { headers: { Authorization: "Bearer x" } },
      NO_NETWORK,
    );
    const { events } = (await reply.json()) as { events: { seq: number; phase: string }[] };
    expect(events.map(({ seq, phase }) => `${seq} ${phase}`)).toEqual([
      "1 diagnosis",
      "3 output",
      "4 ended",
      "5 output",
    ]);
  });
});
