import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readRules } from "../../src/rules/read.ts";
import { requestHash } from "../../src/tokens/request-hash.ts";
import type { Daemon, Reply } from "../support/daemon.ts";
import { deploymentIds, idOf } from "../support/deployment-record.ts";
import { filesIn } from "../support/files.ts";
import { JOB } from "../support/github-claims.ts";
import { type KeyPair, newKeys, signToken } from "../support/keys.ts";
import { lifeOf } from "../support/observe.ts";
import { type OidcIssuer, startOidcIssuer, type TokenOptions } from "../support/oidc-issuer.ts";
import { processes } from "../support/process-tree.ts";
import { AUDIENCE, githubRules } from "../support/rules.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

/** The claims of docs/attackers.md, each section a test of its own. */

const SUCCESS = [200, "deploy request successful for service web\n"];
const UNAUTHORIZED = [401, "unauthorized\n"];
const FORBIDDEN = [403, "forbidden\n"];
const AT_ONCE = 50;
const BAD_REQUESTS = 400;
/** A flood of them is counted. */
const MOST_LINES = 100;
const CHANGE_DEADLINE = 5_000;
const LOOK_EVERY_MS = 250;
/** Long enough to be no accident, short enough for a value cut by a log. */
const PART = 60;

const cleanup = new AsyncDisposableStack();
const folder = mkdtempSync(join(tmpdir(), "dstest-attackers-"));
const keyFolder = join(folder, "keys");
const rulesFile = join(folder, "rules.yml");
const ci: KeyPair = newKeys();
const other: KeyPair = newKeys();
/** Everything that nobody may find anywhere afterwards. */
const secrets = new Set<string>();
const replies: string[] = [];
const seenArguments = new Set<string>();
let issuer: OidcIssuer;
let scene: Scene;
let daemon: Daemon;

beforeAll(async () => {
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  issuer = cleanup.use(await startOidcIssuer());
  mkdirSync(keyFolder);
  writeFileSync(join(keyFolder, "ci.pem"), ci.publicPem);
  writeFileSync(join(keyFolder, "other.pem"), other.publicPem);
  for (const { privatePem } of [ci, other]) secrets.add(privatePem.split("\n").slice(1, 3).join("\n"));
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        for (const version of ["v1", "v2", "v3", "v4"]) await aws.publish("web", version);
        await aws.publish("toys", "v1");
        writeRules(aws.repository("web"));
        const service = (name: string) =>
          `  ${name}: { image: "${aws.repository("web")}:v1", x-deployer: { images: ["${aws.repository("toys")}"], watch: 0s } }\n`;
        return `services:\n${service("web")}${service("db")}`;
      },
      daemon: {
        env: { RULES_FILE: rulesFile, JWT_PUBLIC_KEY_PATH: "", NODE_EXTRA_CA_CERTS: issuer.caFile },
      },
    }),
  );
  daemon = scene.daemon;
  const looking = setInterval(() => {
    for (const { args } of processes()) seenArguments.add(args.join(" "));
  }, LOOK_EVERY_MS);
  cleanup.defer(() => clearInterval(looking));
});

afterAll(() => cleanup.disposeAsync());

function writeRules(images: string): void {
  const grant = `deploy: [web], rollback: [web], read: [web], images: ["${images}"], logs: true`;
  const byKey = `  - name: ci\n    public_key: ${keyFolder}\n    rules: [{ ${grant} }]\n`;
  writeFileSync(rulesFile, githubRules(issuer, grant) + byKey);
}

type Sent = { method: string; target: string; body: string; token: string };

async function untilRefused(by: { keys: KeyPair }): Promise<void> {
  await waitFor("the key to be refused", CHANGE_DEADLINE, async () =>
    Bun.deepEquals(await answer(await signed({ service: "web" }, by)), UNAUTHORIZED),
  );
}

/** As the Action signs with a key: for this one request, once. */
async function signed(body: object, { target = "/deploy", keys = ci } = {}): Promise<Sent> {
  const text = JSON.stringify(body);
  const bound = { jti: crypto.randomUUID(), req: requestHash("POST", target, text) };
  return { method: "POST", target, body: text, token: await signToken(keys, bound) };
}

/** With GitHub's own token, for this one request. */
function identified(body: object, options: TokenOptions = {}, target = "/deploy"): Sent {
  const text = JSON.stringify(body);
  const audience = `${AUDIENCE}#sha256=${requestHash("POST", target, text)}`;
  return { method: "POST", target, body: text, token: issuer.token({ audience, ...options }) };
}

async function send(
  { method, target, body, token }: Sent,
  headers: Record<string, string> = {},
): Promise<Reply> {
  secrets.add(token);
  const reply = await daemon.request(method, target, {
    headers: { Authorization: `Bearer ${token}`, ...headers },
    ...(method === "GET" ? {} : { body }),
  });
  replies.push(reply.text);
  const readKey = reply.headers.get("Deployer-Read");
  if (readKey !== null) secrets.add(readKey);
  return reply;
}

async function read(target: string, token: string): Promise<Reply> {
  return await send({ method: "GET", target, body: "", token });
}

async function answer(sent: Sent): Promise<unknown[]> {
  const { status, text } = await send(sent);
  return [status, text];
}

function image(tag: string, name = "web"): string {
  return `${scene.aws.repository(name)}:${tag}`;
}

async function known(): Promise<string[]> {
  return await deploymentIds({ ...daemon, token: () => signToken(ci) });
}

/** One more deployment than before `act`, and which. */
async function deploymentOf(act: () => Promise<Reply>): Promise<string> {
  const before = await known();
  const id = idOf(await act());
  expect(await known()).toEqual([id, ...before]);
  return id;
}

const SECTIONS: Record<string, () => Promise<void>> = {
  "A stolen token": async () => {
    for (const stolen of [
      identified({ service: "web", image: image("v2") }),
      await signed({ service: "web", image: image("v3") }),
    ]) {
      const before = await known();
      expect(
        await answer({ ...stolen, body: JSON.stringify({ service: "web", image: image("v4") }) }),
      ).toEqual(UNAUTHORIZED);
      expect(await answer({ ...stolen, body: JSON.stringify({ service: "db" }) })).toEqual(UNAUTHORIZED);
      expect(await answer({ ...stolen, target: "/rollback" })).toEqual(UNAUTHORIZED);
      expect(await answer({ ...stolen, method: "GET", target: "/services" })).toEqual(UNAUTHORIZED);
      expect(await known()).toEqual(before);
      // The thief comes first: what the caller wanted happens, and the caller is told of that.
      const id = await deploymentOf(() => send(stolen));
      expect(idOf(await send(stolen))).toBe(id);
      expect(await known()).toEqual([id, ...before]);
    }

    const plain = await signToken(ci);
    const anything = (body: object) => ({
      method: "POST",
      target: "/deploy",
      body: JSON.stringify(body),
      token: plain,
    });
    await deploymentOf(() => send(anything({ service: "web", force: true })));
    await deploymentOf(() => send(anything({ service: "web", force: true })));
    await restart({ JWT_STRICT: "true" });
    expect(await answer(anything({ service: "web" }))).toEqual(UNAUTHORIZED);
    expect(await answer(await signed({ service: "web" }))).toEqual(SUCCESS);
    await restart();
  },

  "A stolen request": async () => {
    const captured = await signed({ service: "web", image: image("v2") });
    const id = await deploymentOf(() => send(captured));
    const deployed = await lifeOf(scene.project, "web");
    const again = await send(captured, { Accept: "application/json" });
    expect(JSON.parse(again.text)).toMatchObject({ id, status: "succeeded" });
    expect((await read(`/deployments/${id}`, again.headers.get("Deployer-Read") ?? "")).status).toBe(200);
    await restart();
    const before = await known();
    const copies = await Promise.all(Array.from({ length: AT_ONCE }, () => send(captured)));
    expect(new Set(copies.map((copy) => idOf(copy)))).toEqual(new Set([id]));
    expect(await answer({ ...captured, body: captured.body.replace(":v2", ":v1") })).toEqual(UNAUTHORIZED);
    expect(await answer({ ...captured, target: "/rollback" })).toEqual(UNAUTHORIZED);
    expect(await known()).toEqual(before);
    expect(await lifeOf(scene.project, "web")).toEqual(deployed);
  },

  "A stolen key": async () => {
    const stolen = { keys: other };
    expect(await answer(await signed({ service: "web", image: image("v1") }, stolen))).toEqual(SUCCESS);
    for (const body of [
      { service: "db" },
      { services: ["web", "db"] },
      { service: "web", image: image("v1", "toys") },
      { service: "--help" },
      { service: "../web" },
      { service: "web; reboot" },
    ])
      expect([body, await answer(await signed(body, stolen))]).toEqual([body, FORBIDDEN]);
    expect(
      await answer(await signed({ service: "web", image: `${image("v1")} --privileged` }, stolen)),
    ).toEqual([422, expect.stringContaining("is not an image reference")]);
    rmSync(join(keyFolder, "other.pem"));
    await untilRefused(stolen);
    expect(await answer(await signed({ service: "web" }))).toEqual(SUCCESS);
    rmSync(join(keyFolder, "ci.pem"));
    await untilRefused({ keys: ci });
    writeFileSync(join(keyFolder, "ci.pem"), ci.publicPem);
    await waitFor("the key to be accepted again", CHANGE_DEADLINE, async () =>
      Bun.deepEquals(await answer(await signed({ service: "web" })), SUCCESS),
    );
  },

  "A fork or a pull request": async () => {
    const request = { service: "web", image: image("v1") };
    const fork = { repository: "mallory/shop", repositoryId: "1", ownerId: "2" };
    expect(await answer(identified(request, { job: fork }))).toEqual(FORBIDDEN);
    expect(
      await answer(identified(request, { job: { event: "pull_request", ref: "refs/pull/7/merge" } })),
    ).toEqual(FORBIDDEN);
    // From a branch of the repository itself, merged.
    expect(await answer(identified(request, { job: { event: "pull_request" } }))).toEqual(FORBIDDEN);
    // The neighbour's run, so that a guard moves ahead of its CI.
    const run = { workflow: "1/.github/workflows/deploy.yml", number: 1_000_000 };
    expect(await answer(identified({ ...request, run }))).toEqual(FORBIDDEN);
    const own = { ...run, workflow: `${JOB.repositoryId}/${JOB.workflow}` };
    expect(await answer(identified({ ...request, run: own }))).toEqual(SUCCESS);
    const rules = readFileSync(rulesFile, "utf8").replace(
      `ref: ${JOB.ref}`,
      `ref: ${JOB.ref}, event_name: pull_request_target`,
    );
    expect(() => readRules("rules.yml", rules, () => [])).toThrow(
      /rules\.yml:\d+: .*event_name.* must be one of/,
    );
  },

  "A renamed repository": async () => {
    const renamed = identified({ service: "web", image: image("v2") }, { job: { repository: "acme/store" } });
    expect(await answer(renamed)).toEqual(SUCCESS);
    await daemon.waitForLog(
      ({ level, message, fields }) =>
        level === "warn" && message.includes("another name") && fields?.["found"] === "acme/store",
    );
    const squatter = { job: { repositoryId: "1" }, claims: { sub: `repo:${JOB.repository}:ref:${JOB.ref}` } };
    expect(await answer(identified({ service: "web" }, squatter))).toEqual(FORBIDDEN);
  },

  "The network between": async () => {
    const sent = await signed({ service: "web", image: image("v3") });
    expect(await answer({ ...sent, body: sent.body.replace(":v3", ":v1") })).toEqual(UNAUTHORIZED);
    const before = await known();
    const id = await deploymentOf(() => send(sent));
    // The answer was lost: the same again.
    const again = await send(sent);
    expect([again.status, idOf(again)]).toEqual([200, id]);
    const readKey = again.headers.get("Deployer-Read") ?? "";
    expect((await read(`/deployments/${id}`, readKey)).status).toBe(200);
    for (const target of [`/deployments/${before[0]}`, "/deployments", "/services", "/config"])
      expect([target, (await read(target, readKey)).status]).toEqual([target, 401]);
    expect(await answer({ ...sent, body: "{}", token: readKey })).toEqual(UNAUTHORIZED);
  },

  "Whoever reaches the port": async () => {
    const bare = async (method: string, path: string, body?: string) => {
      const { status, text } = await daemon.request(method, path, body === undefined ? {} : { body });
      return [status, text];
    };
    expect(await bare("GET", "/health")).toEqual([200, "deployer healthy\n"]);
    expect((await bare("GET", "/version"))[0]).toBe(200);
    expect((await bare("GET", "/ready"))[1]).not.toContain("web");
    for (const path of ["/config", "/deployments", "/services"])
      expect(await bare("GET", path)).toEqual(UNAUTHORIZED);
    expect(await bare("POST", "/deploy", '{"service":"web"}')).toEqual(UNAUTHORIZED);
    expect(await bare("POST", "/deploy", '{"service":"none"}')).toEqual(UNAUTHORIZED);
    expect(await answer(await signed({ service: "none" }))).toEqual(
      await answer(await signed({ service: "db" })),
    );

    const lines = daemon.log().length;
    const forged = newKeys();
    const bad = Array.from(
      { length: BAD_REQUESTS },
      async () => await send(await signed({ service: "web" }, { keys: forged })),
    );
    expect(await answer(await signed({ service: "web" }))).toEqual(SUCCESS);
    for (const reply of await Promise.all(bad)) expect([reply.status, reply.text]).toEqual(UNAUTHORIZED);
    const refusals = daemon
      .log()
      .slice(lines)
      .filter(({ message }) => message === "unauthorized request");
    expect(refusals.length).toBeLessThan(MOST_LINES);
  },
};

async function restart(env: Record<string, string> = {}): Promise<void> {
  expect(await daemon.stop()).toBe(0);
  daemon = cleanup.use(await daemon.startAgain(env));
  await waitUntilUp(daemon);
}

test("docs/attackers.md claims what is tried here, section by section", () => {
  const [tried = ""] = readFileSync("docs/attackers.md", "utf8").split("\n---\n");
  expect([...tried.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual(Object.keys(SECTIONS));
});

for (const [heading, claims] of Object.entries(SECTIONS)) test(heading, claims);

test("after all of this no token, key or credential is in the log, the database, a file, a reply or a process's arguments", async () => {
  for (const { password } of scene.aws.ecr.tokens.issued) secrets.add(password);
  secrets.add(daemon.env["AWS_SECRET_ACCESS_KEY"] ?? "");
  replies.push((await read("/services", await signToken(ci))).text);
  const places: [place: string, content: string][] = [
    ...filesIn(daemon.stateDir).map(({ path, content }): [string, string] => [path, content]),
    ...filesIn(daemon.env["RUN_DIR"] ?? "").map(({ path, content }): [string, string] => [path, content]),
    ["the log", JSON.stringify(daemon.log())],
    ["what is not the log", daemon.noise()],
    ["the replies", replies.join("\n")],
    ["arguments of processes", [...seenArguments].join("\n")],
  ];
  expect(places.map(([place]) => place)).toContain(join(daemon.stateDir, "deployer.db"));
  expect(secrets.size).toBeGreaterThan(BAD_REQUESTS);
  const found = [...secrets].flatMap((secret) =>
    places.filter(([, content]) => content.includes(secret.slice(-PART))).map(([place]) => place),
  );
  expect(found).toEqual([]);
});
