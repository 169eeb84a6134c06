import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { freePort } from "../support/free-port.ts";
import { inTerminal } from "../support/in-terminal.ts";
import { newKeys, sharedKeys } from "../support/keys.ts";
import { expectVersion } from "../support/observe.ts";
import { remoteCommand } from "../support/remote-command.ts";
import type { Result } from "../support/run.ts";
import { type Scene, startScene } from "../support/scene.ts";

const SERVICES = ["file", "variable", "broken", "later", "order", "one", "two", "shown"];
const COMMAND_DEADLINE = 90_000;

const folder = mkdtempSync(join(tmpdir(), "dstest-client-"));
const keyFile = join(folder, "key.pem");
const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  writeFileSync(keyFile, sharedKeys().privatePem, { mode: 0o600 });
  writeFileSync(join(folder, "other.pem"), newKeys().privatePem, { mode: 0o600 });
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        for (const tag of ["v1", "v2"]) await aws.publish("web", tag);
        await aws.publish("web", "bad", { exitCode: 3 });
        const services = SERVICES.map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
    }),
  );
});

afterAll(async () => {
  await cleanup.disposeAsync();
  rmSync(folder, { recursive: true });
});

/** As somebody elsewhere who has the key; nothing secret is ever said. */
async function client(...args: string[]): Promise<Result> {
  const result = await remoteCommand([...args, "--url", scene.daemon.url, "--key", keyFile]);
  expectNoSecret(result);
  return result;
}

function expectNoSecret({ stdout, stderr }: Result): void {
  // A token begins so: {"alg
  expect(stdout + stderr).not.toMatch(/PRIVATE KEY|eyJhbG/);
}

const imageOf = (tag: string) => `${scene.aws.repository("web")}:${tag}`;

test.concurrent(
  "with a key in a file: the story on stderr, the end on stdout, exit code 0",
  async () => {
    const result = await client("deploy", "file", "--image", imageOf("v2"));
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^deployment \w+ of file: succeeded in [\d.]+ s\n$/),
    });
    for (const phase of ["accepted", "started", "resolved", "pulled", "switching", "committed", "ended"])
      expect(result.stderr).toMatch(new RegExp(`^\\S+ \\S+  ${phase} `, "m"));
    await expectVersion(scene.project, "file", "v2");
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "with a key in a variable, for people and as JSON",
  async () => {
    const env = { KEY: Buffer.from(sharedKeys().privatePem).toString("base64") };
    const args = ["deploy", "variable", "--image", imageOf("v2"), "--url", scene.daemon.url, "--json"];
    const result = await remoteCommand([...args, "--key-env", "KEY"], env);
    expectNoSecret(result);
    expect(result.exitCode).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ status: "succeeded", service: "variable" });
    const usual = { DEPLOY_SIGNING_KEY_B64: env.KEY };
    const again = await remoteCommand(args, usual);
    expect(JSON.parse(again.stdout)).toMatchObject({ status: "succeeded", changed: false });
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "what is rolled back says why and what its container printed, exit code 3",
  async () => {
    const result = await client("deploy", "broken", "--image", imageOf("bad"));
    expect(result.exitCode).toBe(3);
    expect(result.stdout).toMatch(/^deployment \w+ of broken: rolled_back in /);
    expect(result.stdout).toContain("what serves now: ");
    expect(result.stderr).toContain("version bad gives up");
    await expectVersion(scene.project, "broken", "v1");
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "several services are one deployment",
  async () => {
    const result = await client("deploy", "one", "two", "--image", imageOf("v2"), "--json");
    expect(result.exitCode).toBe(0);
    expect(JSON.parse(result.stdout).services).toMatchObject([{ service: "one" }, { service: "two" }]);
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "nobody need wait: the story can be followed later, and gone back on",
  async () => {
    expect((await client("deploy", "later", "--image", imageOf("v1"))).exitCode).toBe(0);
    const accepted = await client("deploy", "later", "--image", imageOf("v2"), "--no-wait", "--json");
    expect(accepted).toMatchObject({ exitCode: 0, stderr: "" });
    const { id } = JSON.parse(accepted.stdout);
    const followed = await client("logs", id, "-f");
    expect(followed).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining(`deployment ${id} of later: succeeded`),
    });
    const status = JSON.parse((await client("status", "later", "--json")).stdout);
    expect(status).toMatchObject({ services: [{ service: "later", deployment: id }] });
    expect(status.guards).toBeUndefined();
    const back = await client("rollback", "later");
    expect([back.exitCode, back.stdout]).toEqual([0, expect.stringMatching(/of later: succeeded in/)]);
    await expectVersion(scene.project, "later", "v1");
    expect((await client("history", "later")).stdout).toMatch(
      /later .* succeeded (.*\n)+.*later .* succeeded /,
    );
    const story = await client("logs", id);
    expect(story.stdout).toMatch(/ accepted .*\n(.*\n)+.* ended /);
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "an older CI run is superseded on arrival, exit code 4, and --force passes it",
  async () => {
    const run = (number: number, ...more: string[]) =>
      client("deploy", "order", "--image", imageOf("v1"), "--run", `1/deploy.yml:${number}`, ...more);
    expect((await run(41)).exitCode).toBe(0);
    const older = await run(40);
    expect([older.exitCode, older.stdout]).toEqual([4, ""]);
    expect(older.stderr).toMatch(/superseded by \w+\nrun 40 is older than 41/);
    expect((await run(40, "--force")).exitCode).toBe(0);
  },
  COMMAND_DEADLINE,
);

test.concurrent("a key that is not the daemon's is exit code 6, and says what to look at", async () => {
  const result = await remoteCommand(
    ["deploy", "file", "--url", scene.daemon.url, "--key", join(folder, "other.pem")],
    {},
  );
  expectNoSecret(result);
  expect([result.exitCode, result.stdout]).toEqual([6, ""]);
  expect(result.stderr).toMatch(
    /does not accept the token: is the key one of its own.*rejected" on its host does/,
  );
});

test.concurrent(
  "nobody there is exit code 7, with what to look at, after a while for a daemon that starts",
  async () => {
    const url = `http://127.0.0.1:${freePort()}`;
    const result = await remoteCommand(["deploy", "file", "--url", url, "--key", keyFile]);
    expect([result.exitCode, result.stdout]).toEqual([7, ""]);
    expect(result.stderr).toMatch(
      /nobody listens there.*; trying again\n.*nobody listens there .*security group/s,
    );
    const status = await remoteCommand(["status", "--url", "http://nosuch.invalid", "--key", keyFile]);
    expect([status.exitCode, status.stderr]).toEqual([
      7,
      expect.stringContaining("nobody knows the name nosuch.invalid"),
    ]);
  },
  COMMAND_DEADLINE,
);

test.concurrent("a job without an identity of GitHub's is exit code 6, and a mistyped flag 2", async () => {
  const job = await remoteCommand(["deploy", "file", "--url", scene.daemon.url, "--oidc"], {
    GITHUB_ACTIONS: "true",
  });
  expect([job.exitCode, job.stderr]).toEqual([6, expect.stringContaining("id-token: write")]);
  expect((await client("deploy", "file", "--imgae", "x")).exitCode).toBe(2);
});

test.concurrent("what the daemon does not know is told in its words, exit code 1", async () => {
  const result = await client("deploy", "wbe");
  expect([result.exitCode, result.stderr]).toEqual([1, 'deployer-service: unknown service "wbe"\n']);
});

test.concurrent(
  "on a terminal the story moves: what goes on is redrawn, what is done stays",
  async () => {
    const args = ["deploy", "shown", "--image", imageOf("v2"), "--url", scene.daemon.url, "--key", keyFile];
    const { exitCode, written: screen } = await inTerminal(args, 60);
    expect(exitCode).toBe(0);
    expect(screen).toMatch(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] \w+/);
    expect(screen).toContain("\u001b[A\u001b[2K");
    expect(screen).toMatch(/✓ committed +[\d.]+ s /);
    expect(screen).toMatch(/deployment \w+ of shown: succeeded in [\d.]+ s\r\n$/);
  },
  COMMAND_DEADLINE,
);

test(
  "on the host the socket is enough",
  async () => {
    const result = await remoteCommand(["deploy", "file", "--image", imageOf("v1")], {
      RUN_DIR: scene.daemon.env["RUN_DIR"] ?? "",
    });
    expect([result.exitCode, result.stdout]).toEqual([0, expect.stringMatching(/of file: succeeded in/)]);
    expect(result.stderr).toContain("host asks for");
  },
  COMMAND_DEADLINE,
);
