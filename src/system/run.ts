import { basename } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { within } from "./within.ts";

/** From the first SIGTERM to the SIGKILL of whatever is left of the group. */
const DEFAULT_KILL_GRACE_MS = 10_000;
/** For a process that even SIGKILL does not end at once (uninterruptible sleep in the kernel). */
const KILL_WAIT_MS = 5_000;
/** What a grandchild that inherited the pipe may still print after the child has ended. */
const PIPE_GRACE_MS = 500;
const GROUP_POLL_MS = 25;
const DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024;
/** A child may print byte by byte; a million tiny pieces would cost far more memory than what they hold. */
const MAX_CHUNKS = 256;

export type Command = {
  /** Program and arguments; no shell reads them. Secrets belong in `input`: every user of the host can read argv. */
  argv: readonly string[];
  /** The whole environment of the child; default: ours. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Standard input; default: none. */
  input?: string;
  deadlineMs: number;
  signal?: AbortSignal;
  /** Of each stream the last so many bytes are kept. Default 1 MiB. */
  maxOutputBytes?: number;
  killGraceMs?: number;
};

export type RunResult = {
  /** Undefined when a signal ended it, or when it could not be ended. */
  exitCode: number | undefined;
  /** `SIGTERM`, … */
  signal: string | undefined;
  stdout: string;
  stderr: string;
  /** The deadline passed and the process group was told to stop. */
  timedOut: boolean;
};

export type Run = (command: Command) => Promise<RunResult>;

/**
 * Runs a program to its end: the only place that spawns.
 *
 * It gets a process group of its own; deadline and abort send SIGTERM to the whole group, then SIGKILL. It always comes
 * back: after deadline + grace at the latest, whoever still holds a pipe. A non-zero exit is a result, not an error.
 * Its stdout is a socket pair, not a pipe: programs that open `/dev/stdout` by name fail.
 *
 * Errors: `docker` (the docker CLI) or `internal` when it cannot be started; the signal's reason when aborted, once the
 * group has ended.
 */
export async function run(command: Command): Promise<RunResult> {
  command.signal?.throwIfAborted();
  const child = spawn(command);
  void feed(child.stdin, command.input);
  const maxBytes = command.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  const stdout = keepTail(child.stdout, maxBytes);
  const stderr = keepTail(child.stderr, maxBytes);

  const stop = await Promise.race([child.exited.then(() => undefined), stopReason(command, child.exited)]);
  if (stop !== undefined) await endGroup(child, command.killGraceMs ?? DEFAULT_KILL_GRACE_MS);

  const pipes = Promise.all([stdout.done, stderr.done]);
  if (!(await within(PIPE_GRACE_MS, pipes))) await Promise.all([stdout.cancel(), stderr.cancel()]);
  if (stop === "aborted") command.signal?.throwIfAborted();
  return {
    exitCode: child.exitCode ?? undefined,
    signal: child.signalCode === null ? undefined : String(child.signalCode),
    stdout: stdout.text(),
    stderr: stderr.text(),
    timedOut: stop === "timed out",
  };
}

function spawn(command: Command) {
  try {
    return Bun.spawn([...command.argv], {
      env: command.env ?? process.env,
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      stdin: command.input === undefined ? "ignore" : "pipe",
      stdout: "pipe",
      stderr: "pipe",
      // setsid: its pid is the id of its group.
      detached: true,
    });
  } catch (cause) {
    const program = command.argv[0] ?? "";
    const where = command.cwd === undefined ? "" : ` in ${command.cwd}`;
    throw new DeployerError(
      basename(program) === "docker" ? "docker" : "internal",
      `cannot run ${program}${where}: ${startFailure(cause)}`,
      { cause },
    );
  }
}

/**
 * A pipe of our own: for bytes given at once Bun keeps them in a memory file that stays open until the next garbage
 * collection. A child that ends without reading its input is not an error.
 */
async function feed(stdin: Bun.FileSink | undefined, input: string | undefined): Promise<void> {
  try {
    await stdin?.write(input ?? "");
    await stdin?.end();
  } catch {
    return;
  }
}

function startFailure(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return "no such file or directory; is it installed and in PATH?";
  if (code === "EACCES") return "permission denied";
  return typeof code === "string" ? code : "it cannot be started";
}

/** Why to stop the child before its own end; pending for ever when it ends first. */
function stopReason(command: Command, exited: Promise<number>): Promise<"timed out" | "aborted"> {
  const { promise, resolve } = Promise.withResolvers<"timed out" | "aborted">();
  const timer = setTimeout(() => resolve("timed out"), command.deadlineMs);
  const onAbort = () => resolve("aborted");
  command.signal?.addEventListener("abort", onAbort, { once: true });
  void Promise.race([exited, promise]).finally(() => {
    clearTimeout(timer);
    command.signal?.removeEventListener("abort", onAbort);
  });
  return promise;
}

/** Bun's own timeout signals the direct child once; a child that ignores it, or its children, would live on. */
async function endGroup(child: { pid: number; exited: Promise<number> }, graceMs: number): Promise<void> {
  signalGroup(child.pid, "SIGTERM");
  const end = performance.now() + graceMs;
  while (performance.now() < end && signalGroup(child.pid, 0)) await Bun.sleep(GROUP_POLL_MS);
  signalGroup(child.pid, "SIGKILL");
  await within(KILL_WAIT_MS, child.exited);
}

/** False when nobody is left in the group. */
function signalGroup(pid: number, signal: "SIGTERM" | "SIGKILL" | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

/** Reads a stream to its end, whatever its size, and keeps the last `maxBytes` of it. */
function keepTail(stream: ReadableStream<Uint8Array>, maxBytes: number) {
  const reader = stream.getReader();
  let chunks: Uint8Array[] = [];
  let size = 0;

  const read = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      chunks.push(value);
      size += value.length;
      if (size > 2 * maxBytes || chunks.length > MAX_CHUNKS) {
        const tail = Buffer.concat(chunks).subarray(-maxBytes);
        chunks = [tail];
        size = tail.length;
      }
    }
  };

  return {
    // A pipe that breaks ends like one that is closed: what came so far is the output.
    done: read().catch(() => undefined),
    cancel: () => reader.cancel().catch(() => undefined),
    text: () => new TextDecoder().decode(Buffer.concat(chunks).subarray(-maxBytes)),
  };
}
