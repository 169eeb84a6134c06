import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { eventsOf, recordOf } from "../support/deployment-record.ts";
import { inTerminal } from "../support/in-terminal.ts";
import { sharedKeys } from "../support/keys.ts";
import { expectVersion } from "../support/observe.ts";
import { remoteCommand } from "../support/remote-command.ts";
import type { Result } from "../support/run.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { waitFor } from "../support/wait.ts";

/** Takes some seconds when the network is slow. */
const LARGE = 400_000;
const SLOW = { kind: "slow", bytesPerSecond: 80_000 } as const;
const COMMAND_DEADLINE = 90_000;
const PHASE_DEADLINE = 30_000;
const NAMES = ["cut", "lost", "late", "waits", "shown", "killed"];

const folder = mkdtempSync(join(tmpdir(), "dstest-client-"));
const keyFile = join(folder, "key.pem");
const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  writeFileSync(keyFile, sharedKeys().privatePem, { mode: 0o600 });
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        // Each is another large layer, which is not on the host yet.
        for (const name of NAMES) await aws.publish("web", name, { payloadBytes: LARGE });
        const services = NAMES.map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
    }),
  );
  scene.aws.registry.faults.add(SLOW, { on: "blob", minBytes: LARGE });
});

afterAll(async () => {
  await cleanup.disposeAsync();
  rmSync(folder, { recursive: true });
});

/** The version that has the name of the service, and takes its time. */
function argsOf(name: string, port: number = scene.daemon.port, tag = name): string[] {
  const image = `${scene.aws.repository("web")}:${tag}`;
  return ["deploy", name, "--image", image, "--url", `http://127.0.0.1:${port}`, "--key", keyFile];
}

/** Its id, where exactly one was recorded. */
async function onlyDeploymentOf(service: string): Promise<string> {
  const history = await remoteCommand([
    "history",
    service,
    "--json",
    "--url",
    scene.daemon.url,
    "--key",
    keyFile,
  ]);
  const { deployments } = JSON.parse(history.stdout);
  expect(deployments).toHaveLength(1);
  return deployments[0].id;
}

/** Every event once, in order. */
async function expectWholeStory(service: string, { stderr }: Result): Promise<void> {
  const events = await eventsOf(scene.daemon, await onlyDeploymentOf(service));
  const told = stderr.split("\n").flatMap((line) => /^\S+ \S{8}  (\w+) /.exec(line)?.[1] ?? []);
  expect(told.filter((phase) => phase !== "pulling")).toEqual(events.map(({ phase }) => phase));
}

test.concurrent(
  "a stream that is cut every second is followed to the end, each event told once, by one deployment",
  async () => {
    await using proxy = await startTcpProxy(scene.daemon.port);
    proxy.cutAfter(1_000);
    const result = await remoteCommand(argsOf("cut", proxy.port));
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("of cut: succeeded in") });
    expect(proxy.connections()).toBeGreaterThan(4);
    expect(result.stderr).not.toContain("went away");
    await expectWholeStory("cut", result);
    await expectVersion(scene.project, "cut", "cut");
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "a request whose answer was lost is sent again, and is the same deployment",
  async () => {
    await using proxy = await startTcpProxy(scene.daemon.port);
    proxy.loseAnswer();
    const result = await remoteCommand(argsOf("lost", proxy.port));
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toMatch(/^no answer from .*the connection was lost .*; trying again\n/);
    await expectWholeStory("lost", result);
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "a time limit ends the waiting, not the deployment: exit code 7",
  async () => {
    const result = await remoteCommand([...argsOf("late"), "--timeout", "2s"]);
    const id = await onlyDeploymentOf("late");
    expect([result.exitCode, result.stdout]).toEqual([7, ""]);
    expect(result.stderr).toEndWith(
      `deployer-service: it has not ended in time, and goes on; "logs ${id} -f" follows it\n`,
    );
    expect((await recordOf(scene.daemon, id)).status).toBe("succeeded");
  },
  COMMAND_DEADLINE,
);

test.concurrent(
  "one that waits is told which newer one took its place: exit code 4",
  async () => {
    const first = remoteCommand(argsOf("waits"));
    await waitFor("the first to run", PHASE_DEADLINE, async () => (await status("running")).length === 1);
    const second = remoteCommand(argsOf("waits", scene.daemon.port, "v1"));
    await waitFor("the second to wait", PHASE_DEADLINE, async () => (await status("queued")).length === 1);
    const third = await remoteCommand([...argsOf("waits", scene.daemon.port, "v1"), "--no-wait", "--json"]);
    const superseded = await second;
    expect(superseded.exitCode).toBe(4);
    expect(superseded.stdout).toContain(`of waits: superseded in`);
    expect(superseded.stdout).toContain(`superseded by ${JSON.parse(third.stdout).id}\n`);
    expect((await first).exitCode).toBe(0);
  },
  COMMAND_DEADLINE,
);

async function status(wanted: string): Promise<unknown[]> {
  const args = ["history", "waits", "--status", wanted, "--json"];
  const { stdout } = await remoteCommand([...args, "--url", scene.daemon.url, "--key", keyFile]);
  return JSON.parse(stdout).deployments;
}

test.concurrent(
  "on a terminal a pull has a bar that fills, with its bytes and layers",
  async () => {
    const { exitCode, written } = await inTerminal(argsOf("shown"), 120);
    expect(exitCode).toBe(0);
    const bars = written.match(/[━─]{24} {2}\S+:shown: \d+ (?:bytes|KiB) of \d+ KiB, \d of \d layers/g) ?? [];
    expect(new Set(bars).size).toBeGreaterThan(5);
    // The screen keeps none of them.
    expect(written.slice(written.lastIndexOf("✓ pulled"))).not.toContain("━");
  },
  COMMAND_DEADLINE,
);

test(
  "a daemon that is killed in the middle and started again: the true end is told",
  async () => {
    const args = argsOf("killed");
    const ended = remoteCommand(args);
    await waitFor("the deployment to run", PHASE_DEADLINE, async () => {
      const { stdout } = await remoteCommand([
        "history",
        "killed",
        "--status",
        "running",
        ...args.slice(4),
        "--json",
      ]);
      return JSON.parse(stdout).deployments.length === 1;
    });
    await scene.daemon.stop("SIGKILL");
    await Bun.sleep(1_500);
    scene.daemon = cleanup.use(await scene.daemon.startAgain());
    const result = await ended;
    expect(result).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("of killed: succeeded in") });
    expect(result.stderr).toContain("the daemon went away; the deployment goes on when it is back\n");
    expect(result.stderr).toContain("the daemon stopped in the middle of it and runs again");
    await expectWholeStory("killed", result);
    await expectVersion(scene.project, "killed", "killed");
  },
  COMMAND_DEADLINE,
);
