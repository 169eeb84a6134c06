import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { lifeOf } from "../support/observe.ts";
import { attempt, BASE_ENV, type Result } from "../support/run.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const TURN_DEADLINE = 20_000;

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "v2");
        await aws.publish("web", "v3");
        return composeFile(aws.repository("web"), "blue");
      },
      daemon: { env: { COLOUR: "of the daemon" } },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

/** A command at the shell of a person who has none of the daemon's settings. */
function command(...args: string[]): Promise<Result> {
  return attempt([stage().binary, ...args], { env: personsEnv() });
}

function personsEnv(): Record<string, string> {
  return { ...BASE_ENV, HOME: scene.project.dir, RUN_DIR: scene.daemon.env["RUN_DIR"] ?? "" };
}

test("the socket lets the group docker in and nobody else, needs no token, and its routes are nowhere else", async () => {
  const runDir = scene.daemon.env["RUN_DIR"] ?? "";
  const rights = (path: string) => (statSync(path).mode & 0o777).toString(8);
  const hasGroup = (await attempt(["getent", "group", "docker"])).exitCode === 0;
  expect([rights(runDir), rights(join(runDir, "control.sock"))]).toEqual(
    hasGroup ? ["750", "660"] : ["700", "600"],
  );
  expect(await command("status")).toMatchObject({ exitCode: 0, stderr: "" });
  for (const [method, path] of [
    ["POST", "/restart"],
    ["POST", "/up"],
    ["GET", "/guards"],
    ["GET", "/check"],
    ["GET", "/compose"],
    ["POST", "/compose/turn"],
  ] as const)
    expect([path, (await scene.daemon.request(method, path)).status]).toEqual([path, 404]);
});

test("status, history and logs tell of a deployment, and rollback undoes it", async () => {
  const { daemon, project } = scene;
  for (const tag of ["v1", "v2"])
    expect((await daemon.deploy({ service: "web", image: imageOf(tag) })).text).toContain("successful");
  const [newest] = json(await command("history", "--json", "--limit", "1")).deployments;
  expect(newest).toMatchObject({ status: "succeeded", services: [{ service: "web", image: imageOf("v2") }] });

  const status = await command("status", "web");
  expect(status.stdout).toMatch(
    new RegExp(`\\nweb {3,}running {3,}- {3,}${imageOf("v2")} {3,}sha256:[0-9a-f]{12} `),
  );
  const { versions } = json(await command("status", "web", "--json")).services[0];
  expect(versions.map((version: { current: boolean }) => version.current)).toEqual([true, false]);
  const story = await command("logs", newest.id);
  expect(story.stdout).toMatch(/ accepted .*\n(.*\n)+.* committed /);

  const back = await command("rollback", "web");
  expect([back.exitCode, back.stdout]).toEqual([
    0,
    expect.stringMatching(/^deployment \w+ of web: succeeded in /),
  ]);
  expect(back.stderr).toContain(" switching ");
  expect((await lifeOf(project, "web")).image).toStartWith(imageOf("v1"));

  const to = await command("rollback", "web", "--to", newest.id, "--json");
  expect([to.exitCode, json(to)]).toEqual([0, expect.objectContaining({ kind: "rollback", to: newest.id })]);
  expect((await lifeOf(project, "web")).image).toStartWith(imageOf("v2"));
  const followed = await command("logs", json(to).id, "-f");
  expect(followed.exitCode).toBe(0);

  const nowhere = await command("rollback", "web", "--to", "0000");
  expect([nowhere.exitCode, nowhere.stdout]).toEqual([1, ""]);
  expect((await command("rollback", "wbe")).stderr).toContain('unknown service "wbe"');
  expect((await command("logs", "0000")).stderr).toContain('unknown deployment "0000"');
});

test("restart restarts the same container, and is no deployment", async () => {
  const before = await lifeOf(scene.project, "web");
  const known = json(await command("history", "--json")).deployments.length;
  const result = await command("restart", "web");
  expect([result.exitCode, result.stdout]).toEqual([0, `web restarted: ${before.id.slice(0, 12)}\n`]);
  const after = await lifeOf(scene.project, "web");
  expect(after.id).toBe(before.id);
  expect(Date.parse(after.startedAt)).toBeGreaterThan(Date.parse(before.startedAt));
  expect(json(await command("history", "--json")).deployments).toHaveLength(known);
  await scene.daemon.waitForLog((line) => line.message === "service restarted");
  expect((await command("restart", "wbe")).exitCode).toBe(1);
});

test("up brings up what is missing and applies an edit of the file with the image that runs", async () => {
  const { project, aws } = scene;
  await project.compose("rm", "--stop", "--force", "side");
  const before = await lifeOf(project, "web");
  project.write(composeFile(aws.repository("web"), "green"));
  const result = await command("up");
  expect(result.stdout).toMatch(
    /\nweb {3,}deploying {3,}its configuration is not the one of the compose file\n/,
  );
  expect(result.stdout).toMatch(/\nside {3,}brought up /);
  expect([result.exitCode, result.stdout]).toEqual([0, expect.stringContaining(" of web: succeeded")]);
  const after = await lifeOf(project, "web");
  expect([after.image, after.id === before.id]).toEqual([before.image, false]);
  expect((await command("status")).stdout).not.toContain("differs from");

  const again = await command("up", "--json");
  const did = new Set(json(again).services.map((step: { did: string }) => step.did));
  expect([...did]).toEqual(["left_alone"]);
  expect((await lifeOf(project, "web")).id).toBe(after.id);
});

test("order reset lets a workflow count anew", async () => {
  const run = (number: number) => ({ service: "web", run: { workflow: "1/deploy.yml", number, attempt: 1 } });
  expect((await scene.daemon.deploy(run(41))).status).toBe(200);
  expect((await scene.daemon.deploy(run(1))).status).toBe(409);
  expect((await command("status")).stdout).toMatch(/\nweb {3,}1\/deploy.yml {3,}41 {3,}1 /);
  expect(await command("order", "reset", "web")).toMatchObject({
    exitCode: 0,
    stdout: "web: the newest run of 1 workflow is forgotten\n",
  });
  expect((await scene.daemon.deploy(run(1))).status).toBe(200);
});

test("compose has the files, pins and environment of the daemon, so that up restarts nothing", async () => {
  const before = await lifeOf(scene.project, "web");
  const config = await command("compose", "--", "config");
  expect(config.stdout).toContain("COLOUR: of the daemon");
  expect(config.stdout).toContain(`image: ${before.image}`);
  expect((await command("compose", "--", "ps", "--quiet", "web")).stdout.trim()).toBe(before.id);
  expect((await command("compose", "--", "up", "--detach")).exitCode).toBe(0);
  expect(await lifeOf(scene.project, "web")).toEqual(before);
  expect((await command("compose", "--", "-f", "other.yml", "ps")).exitCode).toBe(2);
  expect((await command("compose", "--", "exec", "-T", "web", "sh", "-c", "exit 9")).exitCode).toBe(9);
});

test("deployments wait for a compose command that may change something, and go on when that is killed", async () => {
  const child = Bun.spawn([stage().binary, "compose", "--", "run", "--rm", "-T", "idle", "sleep", "60"], {
    env: personsEnv(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    await waitFor("the command's container", TURN_DEADLINE, async () =>
      (await scene.project.containers()).some(
        ({ service, state }) => service === "idle" && state === "running",
      ),
    );
    const accepted = await scene.daemon.deploy(
      { service: "web", image: imageOf("v3") },
      { Prefer: "wait=3" },
    );
    expect(accepted.status).toBe(202);
    const id = accepted.headers.get("Deployer-Deployment") ?? "";
    expect((await command("status")).stdout).toMatch(new RegExp(`under way:\\n.*\\n${id} .* queued `));
    child.kill("SIGKILL");
    expect((await command("logs", id, "-f")).exitCode).toBe(0);
    expect((await lifeOf(scene.project, "web")).image).toStartWith(imageOf("v3"));
  } finally {
    child.kill("SIGKILL");
  }
});

test("check asks the running daemon, and says whose environment was judged", async () => {
  const verdict = json(await command("check", "--json"));
  expect([verdict.judged, verdict.ok]).toEqual(["daemon", true]);
  expect(verdict.checks.map(({ name }: { name: string }) => name)).toContain("compose file");
  const here = await command("check", "--here");
  expect([here.exitCode, here.stdout]).toEqual([
    1,
    expect.stringContaining("of this shell, not of a running daemon"),
  ]);
});

test("where no daemon answers the exit code is 7, who may not ask gets 6", async () => {
  const empty = mkdtempSync(join(tmpdir(), "dstest-none-"));
  cleanup.defer(() => rmSync(empty, { recursive: true }));
  for (const line of [
    "status",
    "history",
    "logs x",
    "rollback web",
    "restart web",
    "up",
    "order reset web",
    "compose -- ps",
  ]) {
    const result = await attempt([stage().binary, ...line.split(" ")], {
      env: { ...BASE_ENV, RUN_DIR: empty },
    });
    expect([line, result.exitCode, result.stdout]).toEqual([line, 7, ""]);
    expect(result.stderr).toContain(`no daemon at ${empty}/control.sock`);
  }
  const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
  const program = join(empty, "deployer-service");
  await attempt(["cp", stage().binary, program]);
  await attempt(["chmod", "755", empty, program]);
  const denied = await attempt([...nobody, program, "status"], { env: personsEnv(), cwd: "/" });
  expect([denied.exitCode, denied.stderr]).toEqual([
    6,
    expect.stringContaining("permission denied; be root, or in the group docker"),
  ]);
});

test("a second daemon is refused the folder, the socket of a killed one is replaced, a stopped one leaves none", async () => {
  const { daemon } = scene;
  const socket = join(daemon.env["RUN_DIR"] ?? "", "control.sock");
  const second = await attempt([stage().binary], {
    env: { ...daemon.env, STATE_DIR: join(daemon.stateDir, "..", "other"), PORT: "0" },
  });
  expect([second.exitCode, second.stdout]).toEqual([1, expect.stringContaining("already using RUN_DIR")]);
  expect((await command("status")).exitCode).toBe(0);

  await daemon.stop("SIGKILL");
  expect((await command("status")).stderr).toContain("nobody listens");
  scene.daemon = cleanup.use(await daemon.startAgain());
  await waitUntilUp(scene.daemon);
  expect((await command("status")).exitCode).toBe(0);
  expect(await scene.daemon.stop()).toBe(0);
  expect(statSync(socket, { throwIfNoEntry: false })).toBeUndefined();
});

function json(result: Result) {
  expect(result.stderr.includes("deployer-service:") ? result.stderr : "").toBe("");
  return JSON.parse(result.stdout);
}

function imageOf(tag: string): string {
  return `${scene.aws.repository("web")}:${tag}`;
}

function composeFile(repository: string, tint: string): string {
  return `services:
  web:
    image: ${repository}:v1
    stop_grace_period: 2s
    environment: { COLOUR: "\${COLOUR:-of nobody}", TINT: ${tint} }
    x-deployer: { watch: 1s }
  side:
    image: ${repository}:v1
    stop_grace_period: 2s
  idle:
    image: ${repository}:v1
    profiles: [later]
`;
}
