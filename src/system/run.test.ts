import { expect, test } from "bun:test";

import { run } from "./run.ts";

const DEADLINE = { deadlineMs: 10_000 };

function sh(script: string, ...args: string[]): string[] {
  return ["sh", "-c", script, "sh", ...args];
}

/** Whether a process still runs; a zombie does not. */
/** Still alive a moment after it was killed: the kernel takes its time on a busy machine. */
async function isAlive(pid: number): Promise<boolean> {
  for (let looks = 0; looks < 40 && (await isThere(pid)); looks += 1) await Bun.sleep(25);
  return await isThere(pid);
}

async function isThere(pid: number): Promise<boolean> {
  const stat = await Bun.file(`/proc/${pid}/stat`)
    .text()
    .catch(() => "");
  return stat !== "" && !/\) Z /.test(stat);
}

test("output, exit code and arguments arrive as they are", async () => {
  expect(
    await run({ argv: sh('printf "%s" "$1"; echo oops >&2; exit 3', "a b;$(reboot)\n"), ...DEADLINE }),
  ).toEqual({
    exitCode: 3,
    signal: undefined,
    stdout: "a b;$(reboot)\n",
    stderr: "oops\n",
    timedOut: false,
  });
});

test("input arrives on stdin, and without input stdin is empty", async () => {
  expect(await run({ argv: ["cat"], input: "secret", ...DEADLINE })).toMatchObject({
    stdout: "secret",
    exitCode: 0,
  });
  expect(await run({ argv: ["cat"], ...DEADLINE })).toMatchObject({ stdout: "", exitCode: 0 });
});

test("a child that does not read its input is no trouble", async () => {
  expect(await run({ argv: ["true"], input: "x".repeat(3_000_000), ...DEADLINE })).toMatchObject({
    exitCode: 0,
  });
});

test("env replaces the whole environment, cwd is obeyed", async () => {
  const result = await run({
    argv: sh("env; pwd"),
    env: { A: "1", B: undefined, PATH: "/usr/bin:/bin" },
    cwd: "/",
    ...DEADLINE,
  });
  expect(
    result.stdout
      .split("\n")
      .filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line))
      .toSorted(),
  ).toEqual(["", "/", "A=1", "PATH=/usr/bin:/bin"]);
});

test("a program that is not there is a clear error, of code docker for docker", async () => {
  expect(run({ argv: ["/nowhere/docker"], ...DEADLINE })).rejects.toMatchObject({
    code: "docker",
    message: "cannot run /nowhere/docker: no such file or directory; is it installed and in PATH?",
  });
  expect(run({ argv: ["no-such-program"], ...DEADLINE })).rejects.toMatchObject({ code: "internal" });
  expect(run({ argv: ["true"], cwd: "/nowhere", ...DEADLINE })).rejects.toMatchObject({
    code: "internal",
    message: "cannot run true in /nowhere: no such file or directory; is it installed and in PATH?",
  });
  expect(run({ argv: ["/etc/passwd"], ...DEADLINE })).rejects.toMatchObject({
    message: "cannot run /etc/passwd: permission denied",
  });
});

test("a process that a signal ended has no exit code", async () => {
  expect(await run({ argv: sh("kill -9 $$"), ...DEADLINE })).toMatchObject({
    exitCode: undefined,
    signal: "SIGKILL",
  });
});

test("the deadline ends the child and its children, and keeps what they printed", async () => {
  const result = await run({ argv: sh("sleep 60 & echo $!; wait"), deadlineMs: 200 });
  expect(result).toMatchObject({ timedOut: true, exitCode: undefined, signal: "SIGTERM" });
  expect(await isAlive(Number(result.stdout))).toBe(false);
});

test("children that ignore SIGTERM are killed after the grace", async () => {
  const begin = performance.now();
  const script = "trap '' TERM; (trap '' TERM; sleep 60) & echo $!; wait; sleep 60";
  const result = await run({ argv: sh(script), deadlineMs: 1_000, killGraceMs: 200 });
  expect(result).toMatchObject({ timedOut: true, signal: "SIGKILL" });
  expect(await isAlive(Number(result.stdout))).toBe(false);
  expect(performance.now() - begin).toBeLessThan(4000);
});

test("a child that ends well on SIGTERM after the deadline still timed out", async () => {
  const script = "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done";
  expect(await run({ argv: sh(script), deadlineMs: 300 })).toMatchObject({
    timedOut: true,
    exitCode: 0,
    stdout: "up\n",
  });
});

test("abort rejects with the signal's reason, after the group has ended", async () => {
  const reason = new Error("shutting down");
  const controller = new AbortController();
  const marker = `/tmp/run-test-${crypto.randomUUID()}`;
  const running = run({
    argv: sh('echo $$ > "$1"; sleep 60', marker),
    signal: controller.signal,
    ...DEADLINE,
  });
  while (!(await Bun.file(marker).exists()) || (await Bun.file(marker).text()) === "") await Bun.sleep(10);
  controller.abort(reason);
  expect(await running.catch((error: unknown) => error)).toBe(reason);
  expect(await isAlive(Number(await Bun.file(marker).text()))).toBe(false);
  await Bun.file(marker).delete();
});

test("nothing is started when the signal was aborted before", async () => {
  const marker = `/tmp/run-test-${crypto.randomUUID()}`;
  const reason = new Error("shutting down");
  const running = run({ argv: ["touch", marker], signal: AbortSignal.abort(reason), ...DEADLINE });
  expect(await running.catch((error: unknown) => error)).toBe(reason);
  expect(await Bun.file(marker).exists()).toBe(false);
});

test("of a flood only the end is kept, and memory stays small", async () => {
  const before = process.memoryUsage.rss();
  const result = await run({
    argv: sh("head -c 600000000 /dev/zero; echo the end; echo errors >&2"),
    maxOutputBytes: 1000,
    deadlineMs: 30_000,
  });
  expect(result.stdout.length).toBe(1000);
  expect(result).toMatchObject({ stderr: "errors\n", exitCode: 0 });
  expect(result.stdout).toEndWith("\0the end\n");
  expect(process.memoryUsage.rss() - before).toBeLessThan(350_000_000);
});

test("a grandchild that keeps the pipe open does not hold the result back", async () => {
  const begin = performance.now();
  const result = await run({ argv: sh("echo done; sleep 60 & echo $!"), ...DEADLINE });
  const [first, pid] = result.stdout.split("\n");
  process.kill(Number(pid), "SIGKILL");
  expect(first).toBe("done");
  expect(performance.now() - begin).toBeLessThan(4000);
});

test("many runs leave no file descriptor and no process behind", async () => {
  const descriptors = async () =>
    [...new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })].length;
  await run({ argv: ["true"], ...DEADLINE });
  const before = await descriptors();
  for (let round = 0; round < 50; round += 1) await run({ argv: ["echo", "x"], input: "y", ...DEADLINE });
  await Bun.sleep(50);
  expect(await descriptors()).toBeLessThanOrEqual(before + 2);
});
