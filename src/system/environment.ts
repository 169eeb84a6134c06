import { readFileSync } from "node:fs";

/** Bun's limit on requests under way at once. With its default, 256, the next one waits silently: a ping, or the registry. */
const LIMIT_VARIABLE = "BUN_CONFIG_MAX_HTTP_REQUESTS";
const LIMIT = "2000";

startWithLimit();

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
 * Bun reads its limit once, before any of our code runs, so this process begins anew with it: same pid, same arguments,
 * some milliseconds. Import this module first: whatever was loaded before it is loaded twice.
 */
function startWithLimit(): void {
  const isBuilt = Bun.main.startsWith("/$bunfs/");
  if (!isBuilt || process.env[LIMIT_VARIABLE] !== undefined) return;
  try {
    process.execve?.(process.execPath, [process.argv0, ...process.argv.slice(2)], {
      ...process.env,
      [LIMIT_VARIABLE]: LIMIT,
    });
  } catch {
    // Where that is forbidden 256 have to do.
  }
}

function asGiven(env: Record<string, string | undefined>): Record<string, string | undefined> {
  const { [LIMIT_VARIABLE]: limit, ...rest } = env;
  return limit === undefined || limit === LIMIT ? rest : { ...rest, [LIMIT_VARIABLE]: limit };
}
