import { UsageError } from "./arguments.ts";

/** Flags of `docker compose` itself that a value follows. */
const WITH_VALUE = new Set(["--ansi", "--parallel", "--profile", "--progress"]);
/** Those that would make it another project, or the same one with other values. */
const OURS = new Set([
  "-f",
  "--file",
  "-p",
  "--project-name",
  "--project-directory",
  "--workdir",
  "--env-file",
]);
/** They leave every container, network and volume as it is, or work inside a container: nothing a deployment could collide with. */
const WAIT_FOR_NOTHING = new Set([
  "attach",
  "config",
  "convert",
  "cp",
  "events",
  "exec",
  "export",
  "help",
  "images",
  "logs",
  "ls",
  "port",
  "ps",
  "stats",
  "top",
  "version",
  "volumes",
  "wait",
]);

/**
 * Whether a `docker compose` command has to have the project to itself. A command that is not known here does.
 * Errors: `UsageError` for flags that name another project.
 */
export function changesSomething(args: readonly string[]): boolean {
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [flag = ""] = word.split("=", 1);
    const isShort = /^-[fp]/.test(word);
    if (OURS.has(flag) || isShort)
      throw new UsageError(`${JSON.stringify(word)}: files, project and environment are those of the daemon`);
    if (word === "--help" || word === "-h" || word === "--version" || word === "-v") return false;
    if (WITH_VALUE.has(word)) rest.shift();
    else if (!word.startsWith("-")) return !WAIT_FOR_NOTHING.has(word) && !rest.includes("--help");
  }
  return false;
}
