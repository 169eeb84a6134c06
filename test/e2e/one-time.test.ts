import { afterAll, beforeAll, expect, test } from "bun:test";

import { requestHash } from "../../src/tokens/request-hash.ts";
import type { Daemon, Reply } from "../support/daemon.ts";
import { deploymentIds, idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import type { Claims } from "../support/keys.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import { attempt, BASE_ENV } from "../support/run.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";

const AT_ONCE = 50;
const VERSIONS = 4;
const SUCCESS = [200, "deploy request successful for service web\n"];
const REFUSED = [401, "unauthorized\n"];
const CURL_DEADLINE = 90_000;

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(await startWeb());
});

afterAll(() => cleanup.disposeAsync());

function startWeb(env: Record<string, string> = {}): Promise<Scene> {
  return startScene({
    compose: async (aws) => {
      for (let n = 1; n <= VERSIONS; n += 1) await aws.publish("web", `v${n}`);
      return composeFile(aws.repository("web"));
    },
    daemon: { env },
  });
}

function composeFile(repository: string, more = ""): string {
  return `services:\n  web:\n    image: ${repository}:v1\n    ports: ["127.0.0.1::8080"]\n${more}`;
}

type Sent = { target: string; body: string; token: string };

/** A request with a token for itself, once, as our own client signs it; `claims` over that. */
async function signed(
  daemon: Daemon,
  body: unknown,
  { target = "/deploy", claims = {} }: { target?: string; claims?: Claims } = {},
): Promise<Sent> {
  const text = JSON.stringify(body);
  const req = requestHash("POST", target, text);
  const token = await daemon.token({ jti: crypto.randomUUID(), req, ...claims });
  return { target, body: text, token };
}

function send(
  daemon: Daemon,
  { target, body, token }: Sent,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return daemon.request("POST", target, { headers: { Authorization: `Bearer ${token}`, ...headers }, body });
}

function answer({ status, text }: Reply): unknown[] {
  return [status, text];
}

function imageOf({ aws }: Scene, tag: string): string {
  return `${aws.repository("web")}:${tag}`;
}

test("a captured request starts nothing again: as it is, altered, as a rollback, now and after a kill -9", async () => {
  await using scene = await startWeb();
  const { project, daemon } = scene;
  const first = await signed(daemon, { service: "web", image: imageOf(scene, "v2"), force: true });
  const begun = await send(daemon, first, { Prefer: "respond-async" });
  await untilPhase(daemon, idOf(begun), "started");
  expect(await daemon.stop("SIGKILL")).toBe(137);

  await using again = await daemon.startAgain();
  const repeated = await send(again, first);
  expect([...answer(repeated), idOf(repeated)]).toEqual([...SUCCESS, idOf(begun)]);
  const deployed = await lifeOf(project, "web");
  expect(idOf(await send(again, first))).toBe(idOf(begun));

  const altered: [string, Partial<Sent>][] = [
    ["another image", { body: first.body.replace(":v2", ":v3") }],
    ["a space more", { body: `${first.body} ` }],
    ["a rollback", { target: "/rollback" }],
    ["a rollback of its own words", { target: "/rollback", body: '{"service":"web"}' }],
    ["a query", { target: "/deploy?force" }],
    ["another spelling", { target: "/deplo%79" }],
  ];
  for (const [what, change] of altered)
    expect([what, ...answer(await send(again, { ...first, ...change }))]).toEqual([what, ...REFUSED]);
  expect(answer(await send(again, first, { "Idempotency-Key": "another" }))).toEqual(SUCCESS);
  expect(await deploymentIds(again)).toEqual([idOf(begun)]);
  expect(await lifeOf(project, "web")).toEqual(deployed);
});

test("a token that is good once, and for any request, is spent by the first", async () => {
  const { daemon } = scene;
  const known = (await deploymentIds(daemon)).length;
  const once = await daemon.token({ jti: crypto.randomUUID() });
  const request = { target: "/deploy", body: '{"service":"web"}', token: once };
  const first = await send(daemon, request);
  expect(answer(first)).toEqual(SUCCESS);
  const conflict = `this token was used for another request, deployment ${idOf(first)}; every request needs a token of its own\n`;
  for (const other of [{ body: '{"service":"web","force":true}' }, { target: "/rollback" }])
    expect(answer(await send(daemon, { ...request, ...other }))).toEqual([409, conflict]);
  const read = await daemon.request("GET", "/services", { headers: { Authorization: `Bearer ${once}` } });
  expect(read.status).toBe(200);
  expect(idOf(await send(daemon, request))).toBe(idOf(first));
  expect(await deploymentIds(daemon)).toHaveLength(known + 1);
});

test(`${AT_ONCE} copies of one request at once are one deployment, and every caller is told its end`, async () => {
  const { daemon, project } = scene;
  const known = (await deploymentIds(daemon)).length;
  const request = await signed(daemon, { service: "web", image: imageOf(scene, "v3") });
  const replies = await Promise.all(Array.from({ length: AT_ONCE }, () => send(daemon, request)));
  expect(new Set(replies.map((reply) => idOf(reply))).size).toBe(1);
  for (const reply of replies) expect(answer(reply)).toEqual(SUCCESS);
  expect(await deploymentIds(daemon)).toHaveLength(known + 1);
  await expectVersion(project, "web", "v3");
});

test("curl --retry through the death of the daemon ends with the end of the one deployment it has started", async () => {
  await using scene = await startWeb();
  const { project, daemon, aws } = scene;
  aws.registry.faults.add({ kind: "hang" }, { on: "manifest" });
  const { body, token } = await signed(daemon, { service: "web", image: imageOf(scene, "v4") });
  const retries = ["--retry", "40", "--retry-delay", "1", "--retry-connrefused", "--retry-all-errors"];
  const argv = ["curl", "-s", ...retries, "-H", `Authorization: Bearer ${token}`, "-d", body];
  const curl = attempt([...argv, "-w", "%{http_code}", `${daemon.url}/deploy`], {
    env: BASE_ENV,
    deadline: CURL_DEADLINE,
  });
  const accepted = await daemon.waitForLog(({ message }) => message === "deployment started");
  expect(await daemon.stop("SIGKILL")).toBe(137);
  aws.registry.faults.clear();
  await using again = await daemon.startAgain();
  expect((await curl).stdout).toBe(SUCCESS.toReversed().join(""));
  expect(await deploymentIds(again)).toEqual([String(accepted.fields?.["deployment"])]);
  await expectVersion(project, "web", "v4");
});

test("a request that was refused has spent nothing", async () => {
  const { daemon, project, aws } = scene;
  const request = await signed(daemon, { service: "late" });
  expect(answer(await send(daemon, request))).toEqual([404, 'unknown service "late"\n']);
  project.write(composeFile(aws.repository("web"), `  late:\n    image: ${imageOf(scene, "v2")}\n`));
  expect(answer(await send(daemon, request))).toEqual([200, "deploy request successful for service late\n"]);
});

test("a plain token of jwt sign is good several times, and for several requests", async () => {
  const { daemon } = scene;
  const token = await daemon.token();
  const ids = [];
  for (const body of ['{"service":"web"}', '{"service":"web"}', '{"service":"web","force":true}']) {
    const reply = await send(daemon, { target: "/deploy", body, token });
    expect(answer(reply)).toEqual(SUCCESS);
    ids.push(idOf(reply));
  }
  expect(new Set(ids).size).toBe(3);
});

test("JWT_STRICT=true refuses a POST whose token is not good once and for this request, and nothing else", async () => {
  const { daemon } = scene;
  await daemon.stop();
  await using strict = await daemon.startAgain({ JWT_STRICT: "true" });
  await waitUntilUp(strict);
  const body = { service: "web" };
  for (const claims of [{ jti: undefined }, { req: undefined }, { jti: undefined, req: undefined }])
    expect(answer(await send(strict, await signed(strict, body, { claims })))).toEqual(REFUSED);
  const reply = await send(strict, await signed(strict, body));
  expect(answer(reply)).toEqual(SUCCESS);
  // Read with a plain token.
  expect((await recordOf(strict, idOf(reply))).status).toBe("succeeded");
});
