import { readFileSync } from "node:fs";

/** What Bun reads before any of our code runs. */
const OWN: Readonly<Record<string, string>> = {
  // Requests under way at once. With its default, 256, the next one waits silently: a ping, or the registry.
  BUN_CONFIG_MAX_HTTP_REQUESTS: "2000",
  // The optimising compilers cost three megabytes, for a program that waits nearly all the time.
  BUN_JSC_useDFGJIT: "0",
};

startWithOwn();

/** The environment as we were given it: what configuration is read from and what Compose gets. */
export const environment: Readonly<Record<string, string | undefined>> = asGiven(process.env);

/** The environment of another process of this program as that was given it; undefined when this user may not read it. */
export function environmentOf(pid: number): Record<string, string | undefined> | undefined {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8")
      .split("\0")
      .filter((entry) => entry.includes("="))
      .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]);
    return asGiven(Object.fromEntries(entries));
  } catch {
    return undefined;
  }
}

/**
 * Bun reads them once, before any of our code runs, so this process begins anew with them: same pid, same arguments, some
 * milliseconds. Import this module first: whatever was loaded before it is loaded twice.
 */
function startWithOwn(): void {
  const isBuilt = Bun.main.startsWith("/$bunfs/");
  if (!isBuilt || Object.keys(OWN).every((name) => process.env[name] !== undefined)) return;
  try {
    process.execve?.(process.execPath, [process.argv0, ...process.argv.slice(2)], { ...OWN, ...process.env });
  } catch {
    // Where that is forbidden, Bun's defaults have to do.
  }
}

function asGiven(env: Record<string, string | undefined>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => value !== OWN[name]));
}
