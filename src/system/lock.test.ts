import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { lockStateDir } from "./lock.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lock-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const HOLD = `
  import { lockStateDir } from "${import.meta.dir}/lock.ts";
  lockStateDir(process.argv[1]);
  console.log("locked");
  await Bun.sleep(30_000);
`;

/** A process of its own that holds the lock. */
async function otherDaemon(stateDir: string) {
  const child = Bun.spawn([process.execPath, "-e", HOLD, stateDir], { stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("locked\n");
  return child;
}

test("the folder is made, for its owner only", () => {
  const stateDir = join(folder, "a", "b");
  lockStateDir(stateDir).release();
  expect(statSync(stateDir).mode & 0o777).toBe(0o700);
});

test("a folder that others could read is closed to them", () => {
  const stateDir = join(folder, "state");
  Bun.spawnSync(["mkdir", "-m", "755", stateDir]);
  lockStateDir(stateDir).release();
  expect(statSync(stateDir).mode & 0o777).toBe(0o700);
});

test("a folder of somebody else is refused, and left as open as it was", () => {
  const stateDir = join(folder, "etc");
  Bun.spawnSync(["mkdir", "-m", "755", stateDir]);
  Bun.spawnSync(["touch", join(stateDir, "passwd")]);
  expect(() => lockStateDir(stateDir)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringMatching(/somebody else/) }),
  );
  expect(statSync(stateDir).mode & 0o777).toBe(0o755);
});

test("a new folder in which RUN_DIR has been made first is not somebody else's", () => {
  mkdirSync(join(folder, "run"), { recursive: true });
  lockStateDir(folder).release();
});

test("a second daemon is refused and told who holds the folder", async () => {
  const other = await otherDaemon(folder);
  expect(() => lockStateDir(folder)).toThrow(
    expect.objectContaining({
      code: "config",
      message: `another deployer-service is already using STATE_DIR ${folder} (pid ${other.pid})`,
    }),
  );
  other.kill("SIGKILL");
  await other.exited;
});

test("the lock ends with a process that was killed", async () => {
  const other = await otherDaemon(folder);
  other.kill("SIGKILL");
  await other.exited;
  lockStateDir(folder).release();
});

test("the lock is exclusive within one process too, until it is released", () => {
  const lock = lockStateDir(folder);
  expect(() => lockStateDir(folder)).toThrow("already using STATE_DIR");
  lock.release();
  lockStateDir(folder).release();
});

test("children do not inherit the lock", async () => {
  const lock = lockStateDir(folder);
  const child = Bun.spawn(["sleep", "30"]);
  lock.release();
  lockStateDir(folder).release();
  child.kill("SIGKILL");
  await child.exited;
});

test("a path that is a file is a clear error", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const refusal = { code: "config", message: `cannot use STATE_DIR ${file}: not a folder` };
  expect(() => lockStateDir(file)).toThrow(expect.objectContaining(refusal));
  expect(() => lockStateDir(join(file, "state"))).toThrow(
    expect.objectContaining({ message: `cannot use STATE_DIR ${file}/state: not a folder` }),
  );
});

test("a folder that cannot be written is a clear error", () => {
  expect(() => lockStateDir("/proc/deployer-service")).toThrow(expect.objectContaining({ code: "config" }));
});
