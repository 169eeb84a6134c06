import { describe, expect, test } from "bun:test";

import { diagnosisOf, outcomeOf, queued, requestFor } from "../../test/fakes/deployment.ts";
import { accept, begin, end, supersede } from "../core/deployment.ts";
import { DeployerError, type ErrorCode } from "../core/errors.ts";
import type { Connection } from "./context.ts";
import { AUTHORIZED, CREATED_AT, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

type Changes = Parameters<typeof fakeDaemon>[0];

const BODY = '{"service":"web"}';
const REQUEST = requestFor("web");
const FAILURE = outcomeOf("failed", { reason: "no such image\nv1 still serves", code: "image_not_found" });

async function deploy(options: {
  body?: string | ReadableStream;
  headers?: Record<string, string>;
  changes?: Changes;
  connection?: Connection;
  path?: string;
}) {
  const fake = fakeDaemon(options.changes);
  const headers = { ...AUTHORIZED, ...options.headers };
  const init = { method: "POST", headers, body: options.body ?? BODY };
  const response = await createApp(fake.daemon).request(
    options.path ?? "/deploy",
    init,
    options.connection ?? NO_NETWORK,
  );
  return { ...fake, status: response.status, headers: response.headers, text: await response.text() };
}

const BODIES: [name: string, body: string, status: number, text: string][] = [
  ["JSON", BODY, 200, "deploy request successful for service web\n"],
  ["base64", btoa(BODY), 200, "deploy request successful for service web\n"],
  ["base64 with a newline", `${btoa(BODY)}\n`, 200, "deploy request successful for service web\n"],
  ["unknown fields", '{"service":"web","x":1}', 200, "deploy request successful for service web\n"],
  ["no base64", "hello world", 400, "invalid base64\n"],
  ["base64 of no JSON", btoa("hello"), 400, "invalid json\n"],
  ["base64 of null", btoa("null"), 400, "invalid json\n"],
  ["an empty body", "", 400, "invalid json\n"],
  ["no service", btoa("{}"), 400, "service is required\n"],
  ["a service of spaces", '{"service":" "}', 400, "service is required\n"],
  ["a service that is a number", '{"service":1}', 400, "invalid json\n"],
  [
    "64 KiB",
    `{"service":"web","x":"${"x".repeat(65_536 - 24)}"}`,
    200,
    "deploy request successful for service web\n",
  ],
  [
    "a byte more",
    `{"service":"web","x":"${"x".repeat(65_536 - 23)}"}`,
    413,
    "request body larger than 64 KiB\n",
  ],
];
for (const [name, body, status, text] of BODIES) {
  test(`${name} is ${status}`, async () => {
    const reply = await deploy({ body });
    expect([reply.status, reply.text]).toEqual([status, text]);
    expect(reply.calls).toEqual(status === 200 ? ["verify", "submit"] : ["verify"]);
    expect(reply.headers.get("Deployer-Deployment")).toBe(status === 200 ? "d1" : null);
  });
}

test("a body of unknown length is counted as it comes and not read further than the limit", async () => {
  let pulled = 0;
  const body = new ReadableStream({
    pull(controller) {
      pulled += 1;
      controller.enqueue(new Uint8Array(16_384).fill(65));
    },
  });
  expect((await deploy({ body })).status).toBe(413);
  expect(pulled).toBeLessThan(10);
});

test("a body that breaks off is the caller's fault", async () => {
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
  const reply = await deploy({ body });
  expect([reply.status, reply.text]).toEqual([400, "the body ended early\n"]);
});

test("the issuer and the whole request arrive at the daemon", async () => {
  const body = '{"service":"web","image":"repo/web:v2","force":true}';
  const { deployments } = await deploy({ body });
  expect(deployments.get("d1")).toMatchObject({
    kind: "deploy",
    parts: [{ service: "web", image: "repo/web:v2" }],
    force: true,
    issuer: "github-actions",
  });
});

for (const status of ["failed", "rolled_back", "rollback_failed"] as const) {
  test(`a deployment that ended as ${status} is 500 and says why`, async () => {
    const changes = { outcome: { ...FAILURE, status } };
    const reply = await deploy({ changes });
    expect([reply.status, reply.text]).toEqual([
      500,
      "unable to update service\nno such image\nv1 still serves\n",
    ]);
    expect(reply.headers.get("Deployer-Deployment")).toBe("d1");
    const json = await deploy({ changes, headers: { Accept: "application/json" } });
    expect(JSON.parse(json.text)).toEqual({
      error: { code: "image_not_found", message: "unable to update service\nno such image\nv1 still serves" },
      deployment: expect.objectContaining({ id: "d1", status, reason: "no such image\nv1 still serves" }),
    });
  });
}

test("what failed containers left behind stands under the reason, the last 50 lines of each", async () => {
  const output = [...Array(60)].map((_, n) => `line ${n}`);
  const diagnoses = [
    diagnosisOf({ output }),
    diagnosisOf({
      service: "worker",
      exitCode: undefined,
      signal: undefined,
      oomKilled: false,
      restarts: 1,
      health: undefined,
      output: [],
    }),
    diagnosisOf({
      exitCode: 3,
      signal: undefined,
      oomKilled: false,
      restarts: 0,
      health: "",
      output: ["bye"],
    }),
  ];
  const changes = { outcome: { ...FAILURE, diagnoses } };
  const reply = await deploy({ changes });
  expect(reply.text.split("\n")).toEqual([
    "unable to update service",
    "no such image",
    "v1 still serves",
    'container 0123456789ab of service "web": exit code 137 (SIGKILL), killed for lack of memory, restarted twice, health: HTTP 503',
    "the last 50 lines it printed:",
    ...output.slice(-50).map((line) => `  ${line}`),
    'container 0123456789ab of service "worker": still running, restarted once',
    "it printed nothing",
    'container 0123456789ab of service "web": exit code 3',
    "all it printed:",
    "  bye",
    "",
  ]);
  const json = await deploy({ changes, headers: { Accept: "application/json" } });
  expect(JSON.parse(json.text)).toMatchObject({
    error: { message: "unable to update service\nno such image\nv1 still serves" },
    deployment: { diagnosis: [{ exit_code: 137, output }, { service: "worker" }, { output: ["bye"] }] },
  });
});

test("success of several services names them all", async () => {
  const reply = await deploy({ body: '{"services":["web","worker"],"image":"repo/web:v2"}' });
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for services web, worker\n"]);
});

describe("POST /rollback", () => {
  const path = "/rollback";

  test("is answered as a deployment is", async () => {
    const reply = await deploy({ path, body: btoa('{"service":"web","to":"d0"}') });
    expect([reply.status, reply.text]).toEqual([200, "rollback request successful for service web\n"]);
    expect(reply.deployments.get("d1")).toMatchObject({ kind: "rollback", to: "d0" });
    expect(reply.headers.get("Deployer-Deployment")).toBe("d1");
    expect(reply.headers.get("Deployer-Read")).not.toBeNull();
    const later = await deploy({ path, headers: { Prefer: "respond-async" } });
    expect([later.status, later.headers.get("Location")]).toEqual([202, "/deployments/d1"]);
    const failed = await deploy({ path, changes: { outcome: FAILURE } });
    expect([failed.status, failed.text]).toEqual([
      500,
      "unable to update service\nno such image\nv1 still serves\n",
    ]);
  });

  test.each<[ErrorCode, number, string]>([
    ["not_found", 404, "why\n"],
    ["conflict", 409, "why\n"],
    ["compose_file", 500, "unable to update service\nwhy\n"],
  ])("that cannot be accepted (%s) is %d", async (code, status, text) => {
    const submit = () => Promise.reject(new DeployerError(code, "why"));
    const reply = await deploy({ path, changes: { submit } });
    expect([reply.status, reply.text]).toEqual([status, text]);
  });

  test("needs a token, a POST and a body that makes sense", async () => {
    const { daemon } = fakeDaemon();
    const app = createApp(daemon);
    expect((await app.request(path, { method: "POST", body: BODY }, NO_NETWORK)).status).toBe(401);
    const get = await app.request(path, {}, NO_NETWORK);
    expect([get.status, get.headers.get("Allow")]).toEqual([405, "POST"]);
    const reply = await deploy({ path, body: "{}" });
    expect([reply.status, reply.text]).toEqual([400, "service is required\n"]);
  });

  test("with a key that a deployment has used is another request", async () => {
    const keys: unknown[] = [];
    const submit: NonNullable<Changes>["submit"] = async (request, _issuer, [key]) => {
      keys.push(key?.request.split(" ")[1]);
      return accept("d1", request, "me", CREATED_AT);
    };
    const headers = { "Idempotency-Key": "k", Prefer: "respond-async" };
    for (const to of ["/deploy", path]) await deploy({ path: to, headers, changes: { submit } });
    expect(keys).toEqual(["/deploy", "/rollback"]);
  });
});

test("success in JSON is the deployment", async () => {
  const reply = await deploy({ headers: { Accept: "application/json" } });
  expect([reply.status, JSON.parse(reply.text)]).toEqual([
    200,
    {
      id: "d1",
      kind: "deploy",
      service: "web",
      image: null,
      digest: null,
      services: [{ service: "web", image: null, digest: null, from: null }],
      to: null,
      status: "succeeded",
      superseded_by: null,
      reason: "",
      changed: true,
      attempts: 1,
      created_at: "2026-11-23T12:00:00.000Z",
      started_at: "2026-11-23T12:00:01.000Z",
      ended_at: "2026-11-23T12:00:02.000Z",
      diagnosis: [],
    },
  ]);
});

for (const [prefer, applied] of [
  ["respond-async", "respond-async"],
  ["wait=0", "wait=0"],
]) {
  test(`Prefer: ${prefer} is answered at once`, async () => {
    const reply = await deploy({ headers: { Prefer: prefer ?? "" }, changes: { outcome: undefined } });
    expect([reply.status, reply.text]).toEqual([202, "deployment d1 accepted\n"]);
    expect(reply.headers.get("Location")).toBe("/deployments/d1");
    expect(reply.headers.get("Deployer-Deployment")).toBe("d1");
    expect(reply.headers.get("Preference-Applied")).toBe(applied ?? "");
  });
}

test("Prefer: wait gives the result when it comes in time", async () => {
  const reply = await deploy({ headers: { Prefer: "wait=50" } });
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
  expect(reply.headers.get("Preference-Applied")).toBe("wait=50");
  expect(reply.headers.get("Location")).toBeNull();
});

test("Prefer: wait gives the 202 when it does not", async () => {
  const begin = performance.now();
  const headers = { Prefer: "respond-async, wait=1", Accept: "application/json" };
  const reply = await deploy({ headers, changes: { outcome: undefined } });
  expect([reply.status, JSON.parse(reply.text)]).toMatchObject([
    202,
    { id: "d1", status: "running", ended_at: null },
  ]);
  expect(reply.headers.get("Preference-Applied")).toBe("respond-async, wait=1");
  expect(performance.now() - begin).toBeGreaterThan(950);
});

test("without Prefer the reply waits for the end", async () => {
  const { daemon, endDeployment } = fakeDaemon({ outcome: undefined });
  const init = { method: "POST", headers: AUTHORIZED, body: BODY };
  const reply = Promise.resolve(createApp(daemon).request("/deploy", init, NO_NETWORK));
  expect(await Promise.race([reply.then(() => "answered"), Bun.sleep(50).then(() => "waiting")])).toBe(
    "waiting",
  );
  endDeployment(FAILURE);
  expect((await reply).status).toBe(500);
});

test("a caller that goes away ends the wait and nothing else", async () => {
  const { daemon, lines, deployments } = fakeDaemon({ outcome: undefined });
  const controller = new AbortController();
  const request = new Request("http://localhost/deploy", {
    method: "POST",
    headers: AUTHORIZED,
    body: BODY,
    signal: controller.signal,
  });
  const reply = Promise.resolve(createApp(daemon).request(request, undefined, NO_NETWORK));
  await Bun.sleep(20);
  controller.abort();
  expect((await reply).status).toBe(499);
  expect(deployments.get("d1")?.status).toBe("running");
  expect(lines.map(({ level, fields }) => [level, fields["status"]])).toEqual([["info", 499]]);
});

test("the connection may idle while the body comes and the deployment runs, and not afterwards", async () => {
  const idle: number[] = [];
  await deploy({ connection: { remote: () => "", closeAfterIdle: (seconds) => void idle.push(seconds) } });
  expect(idle).toEqual([60, 10, 0, 10]);
});

test("one whose place a newer one took is 409 and says by which", async () => {
  const superseded = supersede(queued("d1", CREATED_AT), "d2", CREATED_AT);
  const changes = { ended: async () => superseded };
  const reply = await deploy({ changes });
  expect([reply.status, reply.text]).toEqual([409, "superseded by d2\n"]);
  expect(reply.headers.get("Deployer-Deployment")).toBe("d1");
  const json = await deploy({ changes, headers: { Accept: "application/json" } });
  expect([json.status, JSON.parse(json.text)]).toEqual([
    409,
    {
      error: { code: "superseded", message: "superseded by d2" },
      deployment: expect.objectContaining({ id: "d1", status: "superseded", superseded_by: "d2" }),
    },
  ]);
});

test("one that a stopping daemon leaves to its next start is 503 and says where the answer will be", async () => {
  const changes: Changes = {
    ended: async () => {
      throw new DeployerError("shutting_down", "d1 runs after the restart");
    },
  };
  const reply = await deploy({ changes });
  expect([reply.status, reply.text]).toEqual([503, "d1 runs after the restart\n"]);
  expect(reply.headers.get("Deployer-Deployment")).toBe("d1");
  expect(reply.headers.get("Location")).toBe("/deployments/d1");
  expect(reply.headers.get("Retry-After")).toBe("30");
});

test("a run older than the newest one is 409 and is no deployment", async () => {
  const changes: Changes = {
    submit: async () => {
      throw new DeployerError("superseded", "superseded by d7\nrun 40 is older than 41");
    },
  };
  const reply = await deploy({ changes });
  expect([reply.status, reply.text]).toEqual([409, "superseded by d7\nrun 40 is older than 41\n"]);
  expect(reply.headers.get("Deployer-Deployment")).toBeNull();
});

test("the run arrives at the daemon, and one that makes no sense is 400", async () => {
  const run = { workflow: "1/deploy.yml", number: 41 };
  const asked: unknown[] = [];
  const changes: Changes = {
    submit: async (request) => {
      asked.push(request);
      return accept("d1", request, "me", CREATED_AT);
    },
    ended: async () => end(begin(accept("d1", REQUEST, "me", CREATED_AT), CREATED_AT), FAILURE, CREATED_AT),
  };
  await deploy({ changes, body: JSON.stringify({ service: "web", run }) });
  expect(asked).toEqual([{ ...REQUEST, run: { ...run, attempt: 1 } }]);
  await deploy({ changes, body: JSON.stringify({ service: "web", run: null }) });
  expect(asked.at(-1)).toEqual(REQUEST);
  const reply = await deploy({ body: JSON.stringify({ service: "web", run: { ...run, number: 0 } }) });
  expect([reply.status, reply.text]).toEqual([400, "run: number must be a positive integer\n"]);
});

describe("Idempotency-Key", () => {
  async function keyOf(headers: Record<string, string>, body = BODY): Promise<unknown> {
    const keys: unknown[] = [];
    const changes: Changes = {
      submit: async (request, _issuer, [key]) => {
        keys.push(key);
        return accept("d1", request, "me", CREATED_AT);
      },
    };
    await deploy({ headers: { Prefer: "respond-async", ...headers }, body, changes });
    return keys[0];
  }

  test("arrives at the daemon with method, path and a hash of the body", async () => {
    expect(await keyOf({})).toBeUndefined();
    const hash = new Bun.CryptoHasher("sha256").update(BODY).digest("hex");
    const key = "a key: 8e03978e-40d5-43dd-bc93-6894a57f9324";
    const expected = {
      kind: "header",
      owner: "github-actions",
      key,
      request: `POST /deploy ${hash}`,
      goodUntil: 0,
    };
    expect(await keyOf({ "Idempotency-Key": key })).toEqual(expected);
    expect(await keyOf({ "Idempotency-Key": key }, `${BODY} `)).not.toEqual(expected);
  });

  test.each([
    ["x".repeat(255), 200],
    ["x".repeat(256), 400],
    ["", 400],
    ["caf\u00e9", 400],
    ["a\tb", 400],
  ])("%j is %d", async (key, status) => {
    const reply = await deploy({ headers: { "Idempotency-Key": key } });
    expect(reply.status).toBe(status);
    expect(reply.calls).toEqual(status === 200 ? ["verify", "submit"] : ["verify"]);
    if (status === 400)
      expect(reply.text).toBe("Idempotency-Key must be 1 to 255 printable ASCII characters\n");
  });
});
