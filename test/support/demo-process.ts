import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { BASE_ENV } from "./run.ts";
import { stage } from "./stage.ts";
import { endProcess, tied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

const CLEAN_UP_DEADLINE = 30_000;

/** The demo as a process of its own, as `npm run demo` starts it. */
export type Demo = AsyncDisposable & {
  pid: number;
  /** Where it keeps its folders: empty when it has cleaned up. */
  tmp: string;
  /** What it has printed on stdout so far. */
  text(): string;
  /** The same for stderr. */
  errors(): string;
  /** Resolves when stdout has this text, or the demo has ended. */
  printed(text: string, deadline: number): Promise<unknown>;
  /** Ctrl-C. */
  interrupt(): void;
  /** Its exit code. */
  ended(): Promise<number>;
};

/** On the stage's Docker; `env` wins. */
export function startDemo(args: readonly string[], env: Record<string, string> = {}): Demo {
  const tmp = mkdtempSync(join(tmpdir(), "dstest-demo-"));
  const child = Bun.spawn(tied([process.execPath, "demo/main.ts", ...args]), {
    env: { ...BASE_ENV, DOCKER_HOST: stage().docker.host, TMPDIR: tmp, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let text = "";
  let errors = "";
  const read = Promise.all([
    readAll(child.stdout, (part) => (text += part)),
    readAll(child.stderr, (part) => (errors += part)),
  ]);
  return {
    pid: child.pid,
    tmp,
    text: () => text,
    errors: () => errors,
    printed: (wanted, deadline) =>
      waitFor(`"${wanted}"`, deadline, () => text.includes(wanted) || (child.exitCode !== null && "ended")),
    interrupt: () => child.kill("SIGINT"),
    async ended() {
      await read;
      return child.exited;
    },
    async [Symbol.asyncDispose]() {
      await endProcess(child, CLEAN_UP_DEADLINE);
      rmSync(tmp, { recursive: true, force: true });
    },
  };
}

async function readAll(stream: ReadableStream<Uint8Array>, onText: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) onText(decoder.decode(chunk, { stream: true }));
}
