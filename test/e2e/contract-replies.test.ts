import { afterAll, beforeAll, expect, test } from "bun:test";

import { encoded } from "../contract/http-case.ts";
import { type HttpWorld, startHttpWorld } from "../contract/http-world.ts";
import type { Reply } from "../support/daemon.ts";

/** What the original did not have: JSON replies, and replies before the end. */
const SETUP_DEADLINE = 60_000;
const JSON_ONLY = { Accept: "application/json" };

let world: HttpWorld;

beforeAll(async () => {
  world = await startHttpWorld();
}, SETUP_DEADLINE);

afterAll(() => world[Symbol.asyncDispose](), SETUP_DEADLINE);

const ERRORS: [what: string, body: () => unknown, status: number, code: string, message: () => string][] = [
  ["no service", () => ({}), 400, "invalid", () => "service is required"],
  ["an unknown service", () => ({ service: "x" }), 404, "not_found", () => 'unknown service "x"'],
  [
    "an image that is none",
    () => ({ service: "web", image: "$IMAGE" }),
    422,
    "not_deployable",
    () => 'image "$IMAGE" is not an image reference (single quotes in your shell?)',
  ],
  [
    "an image that the registry does not have",
    () => ({ service: "web", image: `${world.aws.repository("web")}:none` }),
    500,
    "image_not_found",
    () => "unable to update service\n",
  ],
];

test.each(ERRORS)("%s is told in JSON to who asks for JSON", async (_, body, status, code, message) => {
  const reply = await world.daemon.deploy(body(), JSON_ONLY);
  expect(reply.status).toBe(status);
  expect(reply.headers.get("Content-Type")).toBe("application/json");
  expect(reply.text).toEndWith("}\n");
  const { error } = JSON.parse(reply.text) as { error: { code: string; message: string } };
  expect(error.code).toBe(code);
  expect(error.message).toStartWith(message());
});

test.each([
  ["GET", "/nope", 404, { error: { code: "not_found", message: "404 page not found" } }],
  ["GET", "/deploy", 405, { error: { code: "method_not_allowed", message: "method not allowed" } }],
  ["POST", "/deploy", 401, { error: { code: "unauthorized", message: "unauthorized" } }],
  ["POST", "/logout", 401, { error: { code: "unauthorized", message: "unauthorized" } }],
  ["GET", "/health", 200, { message: "deployer healthy" }],
  ["GET", "/version", 200, { version: "v1.2.3" }],
] as const)("%s %s answers JSON to who asks for it", async (method, path, status, json) => {
  const reply = await world.daemon.request(method, path, { headers: JSON_ONLY });
  expect([reply.status, JSON.parse(reply.text)]).toEqual([status, json]);
  expect(reply.headers.has("X-Request-Id")).toBe(true);
});

test("an image that the registry does not have: 500, why, and what serves now; nothing was touched", async () => {
  const before = await world.project.containers();
  const image = `${world.aws.repository("web")}:none`;
  const reply = await world.daemon.deploy({ service: "web", image });
  const [first, ...reasons] = reply.text.trimEnd().split("\n");
  expect([reply.status, first]).toEqual([500, "unable to update service"]);
  expect(reasons[0]).toContain(image);
  expect(reasons.length).toBeGreaterThan(1);
  expect(await world.project.containers()).toEqual(before);
});

test("respond-async: 202, where to ask, and there how it ended", async () => {
  const image = `${world.aws.repository("web")}:v2`;
  const accepted = await world.daemon.deploy({ service: "web", image }, { Prefer: "respond-async" });
  expect(accepted.status).toBe(202);
  expect(accepted.headers.get("Preference-Applied")).toBe("respond-async");
  const id = accepted.headers.get("Deployer-Deployment");
  expect(accepted.headers.get("Location")).toBe(`/deployments/${id}`);
  const early = await follow(accepted);
  expect(JSON.parse(early.text)).toMatchObject({ id, service: "web", image });
  const ended = await follow(accepted, { Prefer: "wait=50" });
  expect(ended.status).toBe(200);
  expect(JSON.parse(ended.text)).toMatchObject({ id, status: "succeeded", digest: world.v2.digest });
});

test("wait=50 gives the final reply when it comes in time, wait=1 a 202 when it does not", async () => {
  const image = (tag: string) => `${world.aws.repository("web")}:${tag}`;
  const late = await world.daemon.deploy({ service: "web", image: image("v1") }, { Prefer: "wait=1" });
  expect(late.status).toBe(202);
  const inTime = await world.daemon.deploy({ service: "web", image: image("v1") }, { Prefer: "wait=50" });
  expect([inTime.status, inTime.text]).toEqual([200, "deploy request successful for service web\n"]);
  expect(inTime.headers.get("Preference-Applied")).toBe("wait=50");
  expect(JSON.parse((await follow(late)).text)).toMatchObject({ status: "succeeded" });
});

test("a deployment is read with a token only", async () => {
  const accepted = await world.daemon.deploy({ service: "web" });
  const path = `/deployments/${accepted.headers.get("Deployer-Deployment")}`;
  expect((await world.daemon.request("GET", path)).status).toBe(401);
  expect((await follow(accepted)).status).toBe(200);
});

test("the log lines of a deployment are of one id, and hold no token and no registry password", async () => {
  const token = await world.daemon.token();
  const reply = await world.daemon.request("POST", "/deploy", {
    headers: { Authorization: `Bearer ${token}` },
    body: encoded({ service: "web", force: true }),
  });
  const id = reply.headers.get("Deployer-Deployment");
  await world.daemon.waitForLog(
    ({ message, fields }) => message === "deployment ended" && fields?.["deployment"] === id,
  );
  const log = world.daemon.log().map((line) => JSON.stringify(line));
  for (const secret of [token, ...world.aws.ecr.tokens.issued.map(({ password }) => password)]) {
    expect(log.filter((line) => line.includes(secret))).toEqual([]);
  }
});

async function follow(accepted: Reply, headers: Record<string, string> = {}): Promise<Reply> {
  const path = `/deployments/${accepted.headers.get("Deployer-Deployment")}`;
  const token = await world.daemon.token();
  return world.daemon.request("GET", path, { headers: { Authorization: `Bearer ${token}`, ...headers } });
}
