import { expect, test } from "bun:test";

import { diagnosisOf, outcomeOf, requestFor } from "../../test/fakes/deployment.ts";
import { accept, begin, end } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import { AUTHORIZED, CREATED_AT, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;
const QUEUED = accept("d1", requestFor("web", { image: "repo/web:v2" }), "github-actions", CREATED_AT);
const ROLLED_BACK = end(
  begin(QUEUED, CREATED_AT + 1),
  outcomeOf("rolled_back", {
    digests: new Map([["web", DIGEST]]),
    diagnoses: [diagnosisOf(), diagnosisOf({ exitCode: undefined, signal: undefined, health: undefined })],
    reason: "it exited with 1",
    code: "rollout",
  }),
  CREATED_AT + 2,
);

async function get(fake: ReturnType<typeof fakeDaemon>, headers: Record<string, string>, method = "GET") {
  const response = await createApp(fake.daemon).request("/deployments/d1", { method, headers }, NO_NETWORK);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

test("a deployment needs a token", async () => {
  expect(await get(fakeDaemon({ find: () => QUEUED }), {})).toMatchObject({
    status: 401,
    text: "unauthorized\n",
  });
});

test("an unknown deployment is 404", async () => {
  const reply = await get(fakeDaemon(), AUTHORIZED);
  expect(reply).toMatchObject({ status: 404, text: 'unknown deployment "d1"\n' });
});

test("a deployment is JSON whatever was asked for, unknown things null", async () => {
  const reply = await get(fakeDaemon({ find: () => QUEUED }), { ...AUTHORIZED, Accept: "text/plain" });
  expect(reply.headers.get("Content-Type")).toBe("application/json");
  expect([reply.status, reply.text]).toEqual([
    200,
    '{"id":"d1","kind":"deploy","service":"web","image":"repo/web:v2","digest":null,"services":[{"service":"web","image":"repo/web:v2","digest":null,"from":null}],"to":null,"status":"queued","superseded_by":null,"reason":"","changed":null,"attempts":0,"created_at":"2026-11-23T12:00:00.000Z","started_at":null,"ended_at":null,"diagnosis":[]}\n',
  ]);
});

test("what was counted since a restart of the daemon alone says so", async () => {
  const counts = { requests: 3, failed: 0, retried: 0, held: 0, refused: 0, latency: undefined };
  const latency_ms = { p50: null, p90: null, p99: null, max: null };
  const { latency: _, ...numbers } = counts;
  for (const [traffic, json] of [
    [counts, { ...numbers, latency_ms }],
    [
      { ...counts, sinceRestart: true },
      { ...numbers, latency_ms, since_restart: true },
    ],
  ] as const) {
    const ended = end(
      begin(QUEUED, CREATED_AT),
      outcomeOf("succeeded"),
      CREATED_AT,
      new Map([["web", traffic]]),
    );
    const { text } = await get(fakeDaemon({ find: () => ended }), AUTHORIZED);
    expect(JSON.parse(text).services[0].traffic).toEqual(json);
  }
});

test("a failed deployment is found with 200", async () => {
  const reply = await get(fakeDaemon({ find: () => ROLLED_BACK }), AUTHORIZED);
  expect([reply.status, JSON.parse(reply.text)]).toMatchObject([
    200,
    {
      status: "rolled_back",
      digest: DIGEST,
      reason: "it exited with 1",
      ended_at: "2026-11-23T12:00:00.002Z",
      diagnosis: [
        {
          service: "web",
          container: "0123456789ab",
          exit_code: 137,
          signal: "SIGKILL",
          oom_killed: true,
          restarts: 2,
          health: "HTTP 503",
          output: ["one", "two"],
        },
        { exit_code: null, signal: null, health: null },
      ],
    },
  ]);
});

test("one of several services has no single image, a rollback what it goes back to", async () => {
  const several = accept("d1", requestFor(["web", "worker"], { image: "repo/web:v2" }), "me", CREATED_AT);
  expect(JSON.parse((await get(fakeDaemon({ find: () => several }), AUTHORIZED)).text)).toMatchObject({
    kind: "deploy",
    service: null,
    image: null,
    digest: null,
    services: [
      { service: "web", image: "repo/web:v2", digest: null, from: null },
      { service: "worker", image: "repo/web:v2", digest: null, from: null },
    ],
  });
  const back = accept("d1", requestFor("web", { kind: "rollback", to: "d0" }), "me", CREATED_AT);
  expect(JSON.parse((await get(fakeDaemon({ find: () => back }), AUTHORIZED)).text)).toMatchObject({
    kind: "rollback",
    to: "d0",
    service: "web",
  });
});

test("Prefer: wait waits for the end", async () => {
  const fake = fakeDaemon({ outcome: undefined });
  await fake.daemon.submit(requestFor("web"), "github-actions", []);
  const reply = get(fake, { ...AUTHORIZED, Prefer: "wait=20" });
  await Bun.sleep(20);
  fake.endDeployment(outcomeOf("succeeded", { changed: false }));
  const { headers, text } = await reply;
  expect(JSON.parse(text)).toMatchObject({ status: "succeeded", changed: false });
  expect(headers.get("Preference-Applied")).toBe("wait=20");
});

test("Prefer: wait gives what is known when the time is over", async () => {
  const fake = fakeDaemon({ outcome: undefined });
  await fake.daemon.submit(requestFor("web"), "github-actions", []);
  const { status, text } = await get(fake, { ...AUTHORIZED, Prefer: "wait=1" });
  expect([status, JSON.parse(text)]).toMatchObject([200, { status: "running" }]);
});

test("HEAD has no body", async () => {
  expect(await get(fakeDaemon({ find: () => QUEUED }), AUTHORIZED, "HEAD")).toMatchObject({
    status: 200,
    text: "",
  });
});

test("waiting for the end of one that a stopping daemon leaves to its next start gives it as it is", async () => {
  const fake = fakeDaemon({
    find: () => QUEUED,
    ended: async () => {
      throw new DeployerError("shutting_down", "later");
    },
  });
  const reply = await get(fake, { ...AUTHORIZED, Prefer: "wait=5" });
  expect([reply.status, JSON.parse(reply.text)]).toMatchObject([200, { id: "d1", status: "queued" }]);
});
