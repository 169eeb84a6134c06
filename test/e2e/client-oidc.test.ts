import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { JOB } from "../support/github-claims.ts";
import { expectVersion } from "../support/observe.ts";
import { type OidcIssuer, startOidcIssuer, type TokenOptions } from "../support/oidc-issuer.ts";
import { remoteCommand } from "../support/remote-command.ts";
import type { Result } from "../support/run.ts";
import { type Scene, startScene } from "../support/scene.ts";

const COMMAND_DEADLINE = 60_000;

const cleanup = new AsyncDisposableStack();
let issuer: OidcIssuer;
let scene: Scene;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "dstest-rules-"));
  cleanup.defer(() => rmSync(folder, { recursive: true }));
  issuer = cleanup.use(await startOidcIssuer());
  const rules = join(folder, "rules.yml");
  writeFileSync(
    rules,
    `issuers:
  - name: github
    issuer: ${issuer.url}
    audience: shop
    rules:
      - repository_id: "${JOB.repositoryId}"
        repository_owner_id: "${JOB.ownerId}"
        ref: refs/heads/main
        deploy: [web]
        read: [web]
`,
  );
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        for (const tag of ["v1", "v2"]) await aws.publish("web", tag);
        const services = ["web", "other"].map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
      daemon: { env: { RULES_FILE: rules, NODE_EXTRA_CA_CERTS: issuer.caFile } },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

/** As a step of a job of GitHub Actions. */
async function inJob(args: readonly string[], token: TokenOptions = {}): Promise<Result> {
  const result = await remoteCommand([...args, "--url", scene.daemon.url, "--oidc"], {
    GITHUB_ACTIONS: "true",
    NODE_EXTRA_CA_CERTS: issuer.caFile,
    ...issuer.runner(token),
  });
  expect(result.stdout + result.stderr).not.toMatch(/eyJ|Bearer/);
  return result;
}

const deploy = (service: string, ...more: string[]) => [
  "deploy",
  service,
  "--image",
  `${scene.aws.repository("web")}:v2`,
  ...more,
];

test(
  "a job deploys, and reads what it may, without any secret, each request with a token of its own",
  async () => {
    issuer.failRunners("unavailable", 1);
    const result = await inJob(deploy("web", "--audience", "shop"));
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("of web: succeeded in") });
    await expectVersion(scene.project, "web", "v2");
    const status = JSON.parse((await inJob(["status", "web", "--json", "--audience", "shop"])).stdout);
    expect(status.services).toMatchObject([{ service: "web", state: "running" }]);
    const history = await inJob(["history", "--audience", "shop"]);
    expect(history.stdout).toMatch(/ web .* succeeded /);
  },
  COMMAND_DEADLINE,
);

test("what its rule does not allow is exit code 6, as is a token for somebody else", async () => {
  const forbidden = await inJob(deploy("other", "--audience", "shop"));
  expect([forbidden.exitCode, forbidden.stderr]).toEqual([
    6,
    expect.stringContaining("its rules do not allow this"),
  ]);
  const topic = await inJob(deploy("web", "--audience", "shop"), { job: { ref: "refs/heads/topic" } });
  expect(topic.exitCode).toBe(6);
  const elsewhere = await inJob(deploy("web"));
  expect([elsewhere.exitCode, elsewhere.stderr]).toEqual([
    6,
    expect.stringContaining("does not accept the token"),
  ]);
});
