import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * Kills the docker commands that a killed daemon has left at work on files of this STATE_DIR: they would go on changing
 * containers under the hands of the recovery. Only for who holds the lock of STATE_DIR. Commands of people, which name
 * the pins file, are left alone.
 * @returns the arguments of each
 */
export function killStrays(stateDir: string): string[][] {
  const candidate = join(stateDir, "candidate.compose.yml");
  const folders = ["configs", "edge"].map((name) => `${join(stateDir, name)}/`);
  const strays = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), args: argumentsOf(name) }))
    .filter(({ args }) => basename(args[0] ?? "").startsWith("docker"))
    .filter(({ args }) =>
      args.some((arg) => arg === candidate || folders.some((each) => arg.startsWith(each))),
    );
  for (const { pid } of strays) kill(pid);
  return strays.map(({ args }) => args);
}

function argumentsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}
