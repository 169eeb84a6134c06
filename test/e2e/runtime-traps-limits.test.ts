import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { launcher } from "../contract/launcher.ts";
import { refusedStart, startAlone } from "../contract/refused-start.ts";
import { sharedKeys } from "../support/keys.ts";
import { type Connection, connect } from "../support/raw-http.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const NOBODY = 65_534;
const FILE_LIMIT = 150;
const CONNECTIONS = 300;
const RECOVERY_DEADLINE = 30_000;
const PROGRAM = { PROGRAM: stage().binary };

test("when file descriptors run out it lives on, and answers again when callers have left", async () => {
  await using wrapper = launcher(`ulimit -n ${FILE_LIMIT}; exec "$PROGRAM"`);
  await using daemon = await startAlone({ binary: wrapper.path, env: PROGRAM });
  const connections: Connection[] = [];
  for (let left = CONNECTIONS; left > 0; left--) connections.push(await connect(daemon.port));
  await waitFor("the descriptors to be used up", RECOVERY_DEADLINE, async () => {
    const descriptors = await Array.fromAsync(
      new Bun.Glob("*").scan({ cwd: `/proc/${daemon.pid}/fd`, onlyFiles: false }),
    );
    return descriptors.length >= FILE_LIMIT - 1;
  });
  await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
  await waitFor("it to answer again", RECOVERY_DEADLINE, async () => {
    const reply = await daemon.request("GET", "/health", { deadline: 2_000 }).catch(() => undefined);
    return reply?.status === 200;
  });
  expect(await daemon.stop()).toBe(0);
});

test("half a request and an idle connection do not hold its end", async () => {
  await using daemon = await startAlone();
  await using half = await connect(daemon.port);
  half.send("POST /deploy HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
  await using idle = await connect(daemon.port);
  idle.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await waitFor("an answer", RECOVERY_DEADLINE, () => idle.received().includes("200 OK"));
  const ended = daemon.stop();
  expect(await Promise.race([ended, Bun.sleep(RECOVERY_DEADLINE)])).toBe(0);
});

test("a key file that its user may not read ends the start in one line", async () => {
  using home = nobodysFolder();
  await using wrapper = launcher(`exec ${asNobody(home.program)}`);
  chmodSync(wrapper.dir, 0o755);
  const key = join(home.path, "secret.pub");
  writeFileSync(key, sharedKeys().publicPem, { mode: 0o600 });
  const message = await refusedStart({
    binary: wrapper.path,
    cwd: home.path,
    env: { JWT_PUBLIC_KEY_PATH: key, STATE_DIR: join(home.path, "state") },
  });
  expect(message).toContain(`${key}: permission denied`);
});

test("a user without a home, a group or a name runs it, and its state is that user's alone", async () => {
  using home = nobodysFolder();
  await using wrapper = launcher(`exec ${asNobody(home.program)}`);
  chmodSync(wrapper.dir, 0o755);
  const key = join(home.path, "deployer.pub");
  writeFileSync(key, sharedKeys().publicPem, { mode: 0o644 });
  const state = join(home.path, "state");
  await using daemon = await startAlone({
    binary: wrapper.path,
    cwd: home.path,
    env: { JWT_PUBLIC_KEY_PATH: key, STATE_DIR: state, HOME: "", RUN_DIR: "" },
  });
  expect((await daemon.request("GET", "/health")).status).toBe(200);
  const { stdout } = Bun.spawnSync(["stat", "-c", "%u %a", state]);
  expect(stdout.toString()).toBe(`${NOBODY} 700\n`);
  expect(await daemon.stop()).toBe(0);
});

function asNobody(program: string): string {
  return `setpriv --pdeathsig TERM --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "${program}"`;
}

/** A folder in which user 65534 may write, with the program where that user can reach it. */
function nobodysFolder(): Disposable & { path: string; program: string } {
  const path = mkdtempSync(join(tmpdir(), "dstest-nobody-"));
  const program = join(path, "deployer-service");
  copyFileSync(stage().binary, program);
  mkdirSync(join(path, "state"));
  for (const own of [path, join(path, "state")]) {
    chmodSync(own, 0o755);
    chownSync(own, NOBODY, NOBODY);
  }
  return { path, program, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
