import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import type { Daemon } from "../support/daemon.ts";
import { lifeOf } from "../support/observe.ts";
import { type OidcIssuer, startOidcIssuer, type TokenOptions } from "../support/oidc-issuer.ts";
import { askWith, githubRules } from "../support/rules.ts";
import { startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

const CHANGE_DEADLINE = 10_000;
const WORDS = "gives up";

test.concurrent(
  "a repository deploys with its identity and no secret at all, and only what its rule allows",
  async () => {
    await using place = await setUp("deploy: [web], read: [web], images: [IMAGES]");
    const { issuer, scene, image } = place;
    const { daemon, project } = scene;
    const post = (body: object, options: TokenOptions = {}, path = "/deploy") =>
      askWith(issuer, daemon, ["POST", path, body], options);

    const reply = await post({ service: "web", image: image("web", "v2") });
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
    const deployed = await lifeOf(project, "web");
    expect(deployed.image).toStartWith(image("web", "v2"));

    const id = reply.headers.get("Deployer-Deployment") ?? "";
    const refused: [what: string, body: object, options?: TokenOptions, path?: string][] = [
      ["another service", { service: "db" }],
      ["one service more", { services: ["web", "db"] }],
      ["a service that is not there", { service: "none" }],
      ["an image of another repository", { service: "web", image: image("other", "v1") }],
      ["a rollback", { service: "web" }, {}, "/rollback"],
      ["another branch", { service: "web" }, { job: { ref: "refs/heads/topic" } }],
      ["another repository", { service: "web" }, { job: { repository: "acme/toys", repositoryId: "1" } }],
      [
        "a fork",
        { service: "web" },
        { job: { repository: "mallory/shop", repositoryId: "1", ownerId: "2" } },
      ],
      ["a pull request", { service: "web" }, { job: { event: "pull_request", ref: "refs/pull/7/merge" } }],
      [
        "a job of a self-hosted runner",
        { service: "web" },
        { claims: { runner_environment: "self-hosted" } },
      ],
    ];
    for (const [what, body, options, path] of refused) {
      const answer = await post(body, options, path);
      expect([what, answer.status, answer.text]).toEqual([what, 403, "forbidden\n"]);
    }
    expect(await lifeOf(project, "web")).toEqual(deployed);

    const list = await askWith(issuer, daemon, ["GET", "/deployments"]);
    const { deployments } = JSON.parse(list.text) as { deployments: { id: string; services: unknown[] }[] };
    expect(deployments.map((each) => each.id)).toEqual([id]);
    const services = await askWith(issuer, daemon, ["GET", "/services"]);
    expect(services.text.match(/"service":"\w+"/g)).toEqual(['"service":"web"']);
  },
);

test.concurrent("rules are followed while the daemon runs, and over a restart", async () => {
  await using place = await setUp("deploy: [web]");
  const { issuer, scene, write } = place;
  const status = async (daemon: Daemon, body: object, path = "/deploy") =>
    (await askWith(issuer, daemon, ["POST", path, body])).status;
  expect(await status(scene.daemon, { service: "web" })).toBe(200);
  expect(await status(scene.daemon, { service: "db" })).toBe(403);
  write("deploy: [db]");
  await waitFor(
    "the new rules",
    CHANGE_DEADLINE,
    async () => (await status(scene.daemon, { service: "db" })) === 200,
  );
  expect(await status(scene.daemon, { service: "web" })).toBe(403);
  expect(await scene.daemon.stop()).toBe(0);
  await using again = await scene.daemon.startAgain();
  await waitFor("the keys", CHANGE_DEADLINE, async () => (await status(again, { service: "db" })) === 200);
  expect(await status(again, { service: "web" })).toBe(403);
});

test.concurrent(
  "what a container prints is shown to those whose rule has logs, and withheld from the others",
  async () => {
    await using place = await setUp("deploy: [web], read: [web]");
    const { issuer, scene, image, write } = place;
    const { daemon } = scene;
    const fail = async (headers: Record<string, string> = {}) =>
      await askWith(issuer, daemon, ["POST", "/deploy", { service: "web", image: image("web", "exits") }], {
        headers,
      });
    const withheld = await fail();
    expect([withheld.status, withheld.text]).toEqual([
      500,
      expect.stringContaining("is not shown: no rule of this caller has logs: true"),
    ]);
    const id = withheld.headers.get("Deployer-Deployment") ?? "";
    const key = { Authorization: `Bearer ${withheld.headers.get("Deployer-Read")}` };
    const read = [
      withheld.text,
      (await fail({ Accept: "application/json" })).text,
      (await fail({ Accept: "text/event-stream" })).text,
      (await askWith(issuer, daemon, ["GET", `/deployments/${id}`])).text,
      (await askWith(issuer, daemon, ["GET", `/deployments/${id}/events`])).text,
      (await askWith(issuer, daemon, ["GET", "/deployments"])).text,
      (await daemon.request("GET", `/deployments/${id}`, { headers: key })).text,
      (await daemon.request("GET", `/deployments/${id}/events`, { headers: key })).text,
    ];
    for (const text of read) expect(text).not.toContain(WORDS);

    write("deploy: [web], read: [web], logs: true");
    await waitFor("the new rules", CHANGE_DEADLINE, async () =>
      (await askWith(issuer, daemon, ["GET", `/deployments/${id}`])).text.includes(WORDS),
    );
    expect((await fail()).text).toContain(WORDS);
    // It stays what it was given as.
    expect((await daemon.request("GET", `/deployments/${id}`, { headers: key })).text).not.toContain(WORDS);
  },
);

/** Two services, `web` and `db`, and a daemon with rules that has no key at all. */
async function setUp(grant: string) {
  const stack = new AsyncDisposableStack();
  try {
    const issuer: OidcIssuer = stack.use(await startOidcIssuer());
    const folder = mkdtempSync(join(tmpdir(), "dstest-identity-"));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const rules = join(folder, "rules.yml");
    let images = "";
    const write = (text: string): void =>
      writeFileSync(rules, githubRules(issuer, text.replace("IMAGES", images)));
    const scene = stack.use(
      await startScene({
        compose: async (aws) => {
          images = aws.repository("web");
          write(grant);
          await aws.publish("web", "v1");
          await aws.publish("web", "v2");
          await aws.publish("web", "exits", { exitCode: 3 });
          await aws.publish("other", "v1");
          const service = (name: string) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    x-deployer: { images: [${aws.repository("other")}] }\n`;
          return `services:\n${service("web")}${service("db")}`;
        },
        daemon: {
          env: { RULES_FILE: rules, JWT_PUBLIC_KEY_PATH: "", NODE_EXTRA_CA_CERTS: issuer.caFile },
        },
      }),
    );
    const image = (name: string, tag: string) => `${scene.aws.repository(name)}:${tag}`;
    return { issuer, scene, image, write, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
