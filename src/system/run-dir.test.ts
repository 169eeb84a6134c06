import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openRunDir } from "./run-dir.ts";

let folder = "";
let groups = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "run-dir-test-"));
  groups = join(folder, "group");
  writeFileSync(groups, `adm:x:4:\ndocker-users:x:998:\ndocker:x:${process.getgid?.()}:ann,bob\n`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

/** A socket as a server leaves it behind that nobody stopped. */
async function leaveSocket(path: string): Promise<void> {
  const script = `const s = require("net").createServer(); s.listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"));`;
  await Bun.spawn([process.execPath, "-e", script, path]).exited;
  expect(statSync(path).isSocket()).toBe(true);
}

async function listen(path: string): Promise<AsyncDisposable> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}

test("folder and socket are open to the group docker, and to nobody else", async () => {
  const runDir = openRunDir(join(folder, "a", "run"), groups);
  await using _ = await listen(runDir.socket);
  runDir.open();
  expect([modeOf(join(folder, "a", "run")), modeOf(runDir.socket)]).toEqual(["750", "660"]);
  expect(statSync(runDir.socket).gid).toBe(process.getgid?.() ?? -1);
  runDir.release();
});

test("without a group docker they are for the daemon's user alone", async () => {
  for (const file of [join(folder, "none"), join(folder, "other")]) {
    writeFileSync(join(folder, "other"), "docker-users:x:998:\n");
    const runDir = openRunDir(join(folder, "run"), file);
    await using _ = await listen(runDir.socket);
    runDir.open();
    expect([modeOf(join(folder, "run")), modeOf(runDir.socket)]).toEqual(["700", "600"]);
    runDir.release();
  }
});

test("a folder that was open to everybody is closed", () => {
  mkdirSync(join(folder, "run"));
  chmodSync(join(folder, "run"), 0o777);
  openRunDir(join(folder, "run"), groups).release();
  expect(modeOf(join(folder, "run"))).toBe("750");
});

test("the socket of a killed daemon is removed, that of a living one is refused", async () => {
  const path = join(folder, "run");
  mkdirSync(path);
  await leaveSocket(join(path, "control.sock"));
  const first = openRunDir(path, groups);
  expect(existsSync(first.socket)).toBe(false);
  await using _ = await listen(first.socket);
  expect(() => openRunDir(path, groups)).toThrow(
    expect.objectContaining({
      code: "config",
      message: `another deployer-service is already using RUN_DIR ${path}; several on a host need one each`,
    }),
  );
  expect(existsSync(first.socket)).toBe(true);
  first.release();
  expect(existsSync(first.socket)).toBe(false);
  openRunDir(path, groups).release();
});

test("a folder that holds something else is refused, and left as open as it was", () => {
  writeFileSync(join(folder, "passwd"), "");
  chmodSync(folder, 0o755);
  expect(() => openRunDir(folder, groups)).toThrow(/holds files of somebody else/);
  expect(modeOf(folder)).toBe("755");
  mkdirSync(join(folder, "run"));
  writeFileSync(join(folder, "run", "control.sock"), "precious");
  expect(() => openRunDir(join(folder, "run"), groups)).toThrow(/is no socket/);
});

test("a path that is too long for a socket is refused before anything is made", () => {
  const path = join(folder, "x".repeat(100));
  expect(() => openRunDir(path, groups)).toThrow(/longer than the 107 bytes .* name a shorter one/);
  expect(existsSync(path)).toBe(false);
});

test("a path that goes through a file is refused", () => {
  expect(() => openRunDir(join(groups, "run"), groups)).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringContaining("not a folder") }),
  );
});
