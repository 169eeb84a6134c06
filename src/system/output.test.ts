import { expect, test } from "bun:test";

import { createOutput } from "./output.ts";

type Write = { bytes: Uint8Array; done: (error: NodeJS.ErrnoException | null, written: number) => void };

/** A descriptor whose writes end when the test says so. */
function slowOutput() {
  const writes: Write[] = [];
  const output = createOutput(
    1,
    (lines) => `dropped ${lines}\n`,
    (_fd, bytes, done) => writes.push({ bytes, done }),
  );
  const text = (index: number) => Buffer.from(writes[index]?.bytes ?? []).toString();
  const finish = (index: number) => writes[index]?.done(null, writes[index].bytes.length);
  return { output, writes, text, finish };
}

test("lines of one turn go out together and in order", async () => {
  const { output, text, writes } = slowOutput();
  output.write("a\n");
  output.write("b\n");
  await Promise.resolve();
  expect([writes.length, text(0)]).toEqual([1, "a\nb\n"]);
});

test("one write at a time: what comes meanwhile waits", async () => {
  const { output, text, finish, writes } = slowOutput();
  output.write("a\n");
  await Promise.resolve();
  output.write("b\n");
  output.write("c\n");
  await Promise.resolve();
  expect(writes.length).toBe(1);
  finish(0);
  expect(text(1)).toBe("b\nc\n");
});

test("a partial write is continued where it stopped", async () => {
  const { output, text, writes } = slowOutput();
  output.write("hello\n");
  await Promise.resolve();
  writes[0]?.done(null, 2);
  expect(text(1)).toBe("llo\n");
});

test("a full descriptor is tried again", async () => {
  const { output, text, writes } = slowOutput();
  output.write("hello\n");
  await Promise.resolve();
  writes[0]?.done(Object.assign(new Error("full"), { code: "EAGAIN" }), 0);
  await Bun.sleep(100);
  expect(text(1)).toBe("hello\n");
});

test("a reader that went away costs the lines, not the process", async () => {
  const { output, text, writes } = slowOutput();
  output.write("lost\n");
  await Promise.resolve();
  writes[0]?.done(Object.assign(new Error("gone"), { code: "EPIPE" }), 0);
  output.write("next\n");
  await Promise.resolve();
  expect(text(1)).toBe("next\n");
});

test("what nobody reads is bounded, and said once somebody does", async () => {
  const { output, text, finish } = slowOutput();
  output.write("first\n");
  await Promise.resolve();
  for (let line = 0; line < 3000; line += 1) output.write(`${"x".repeat(999)}\n`);
  finish(0);
  expect(text(1).length).toBeLessThan(1_100_000);
  expect(text(1)).toEndWith("dropped 1952\n");
  output.write("after\n");
  finish(1);
  expect(text(2)).toBe("after\n");
});

test("flush waits for the last write, but not for ever", async () => {
  const { output, finish } = slowOutput();
  await output.flush(1000);
  output.write("a\n");
  const begin = performance.now();
  await output.flush(30);
  expect(performance.now() - begin).toBeGreaterThan(20);
  const flushed = output.flush(5000);
  finish(0);
  await flushed;
  expect(performance.now() - begin).toBeLessThan(2000);
});

/** Runs a few lines in a process of their own with a real pipe as stdout. */
async function inProcess(shell: string) {
  const child = Bun.spawn(["sh", "-c", shell, process.execPath], { stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  clearTimeout(timer);
  return { stdout, stderr: stderr.trim() };
}

const FLOOD = `
  import { openLog } from "${import.meta.dir}/log.ts";
  const { log, flush } = openLog(1, { timeZone: "UTC", now: Date.now });
  let ticks = 0;
  setInterval(() => { ticks += 1; for (let i = 0; i < 20; i += 1) log.info("x".repeat(1000)); }, 10);
  setTimeout(async () => { await flush(100); console.error(ticks > 20 ? "alive" : "blocked " + ticks); process.exit(0); }, 600);
`;

test("a pipe nobody reads does not stop the event loop", async () => {
  const { stderr } = await inProcess(`"$0" -e '${FLOOD}' | sleep 1`);
  expect(stderr).toBe("alive");
});

test("a reader that is gone and a closed stdout do not end the process", async () => {
  expect((await inProcess(`"$0" -e '${FLOOD}' | true`)).stderr).toBe("alive");
  expect((await inProcess(`"$0" -e '${FLOOD}' >&-`)).stderr).toBe("alive");
});

test("after flush every line is out, also through a slow reader", async () => {
  const script = `
    import { openLog } from "${import.meta.dir}/log.ts";
    const { log, flush } = openLog(1, { timeZone: "UTC", now: Date.now });
    for (let i = 0; i < 500; i += 1) log.info("x".repeat(1000));
    await flush(5000);
    process.exit(1);
  `;
  const { stdout } = await inProcess(`"$0" -e '${script}' | (sleep 0.3; wc -l)`);
  expect(stdout.trim()).toBe("500");
});
