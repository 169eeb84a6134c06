import type { OtherCounts } from "../core/compose.ts";

/** `docker compose` command lines, as data. Nothing here runs anything. */

export type CommandLine = [string, ...string[]];

/** The files a command works on: the first decides project name and relative paths. */
export type ComposeFiles = readonly [string, ...string[]];

/**
 * The project as JSON, where every value is what it is. Compose writes YAML that loses leading line breaks and leaves
 * `12e4567` plain, a number to most readers.
 */
export function configCommand(files: ComposeFiles): CommandLine {
  return compose(files, ["--profile", "*", "config", "--format", "json"]);
}

/** The same as YAML: the services' `x-` keys are in this one only. */
export function settingsCommand(files: ComposeFiles): CommandLine {
  return compose(files, ["--profile", "*", "config"]);
}

/** The names of the services a plain `up` would start. */
export function defaultServicesCommand(files: ComposeFiles): CommandLine {
  return compose(files, ["config", "--services"]);
}

/** Prints `<service> <hash>` a line, the hash Compose writes into its containers' labels. */
export function hashCommand(files: ComposeFiles): CommandLine {
  return compose(files, ["--profile", "*", "config", "--hash", "*"]);
}

/**
 * Creates containers up to `total`, starts and replaces none. Without `--no-deps`: with it, Compose up to 2.29.2 writes
 * another configuration hash (docker/compose issue 12069), and the next plain `up` recreates everything.
 */
export function createCommand(
  files: ComposeFiles,
  service: string,
  total: number,
  others: OtherCounts,
): CommandLine {
  return compose(files, [
    ...UP_WITHOUT_SIDE_EFFECTS,
    "--no-recreate",
    ...[...others, [service, total]].flatMap(([name, count]) => ["--scale", `${name}=${count}`]),
    "--",
    service,
  ]);
}

/** As `createCommand`, in a project of our own. Its name is said here: COMPOSE_PROJECT_NAME, which is the user's, wins over the file. */
export function createOwnCommand(
  own: { project: string; file: string },
  service: string,
  total: number,
): CommandLine {
  const [docker, plugin, ...rest] = createCommand([own.file], service, total, new Map());
  return [docker, plugin ?? "", "--project-name", own.project, ...rest];
}

/** Replaces the containers of a service by stopped ones that inherit their anonymous volumes. */
export function recreateCommand(
  files: ComposeFiles,
  service: string,
  options: { withDependencies: boolean },
): CommandLine {
  return compose(files, [
    ...UP_WITHOUT_SIDE_EFFECTS,
    "--force-recreate",
    ...(options.withDependencies ? [] : ["--no-deps"]),
    "--",
    service,
  ]);
}

/**
 * Starts a container of its own for `argv`, whatever is in that, and leaves it alone: without a terminal, and without
 * input, or a command that reads it would wait for ever.
 */
export function runCommand(
  files: ComposeFiles,
  service: string,
  argv: readonly string[],
  labels: Readonly<Record<string, string>>,
): CommandLine {
  return compose(files, [
    "run",
    "--detach",
    "--no-deps",
    "-T",
    "--interactive=false",
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    "--",
    service,
    ...argv,
  ]);
}

const UP_WITHOUT_SIDE_EFFECTS = ["up", "--no-start", "--no-build", "--pull", "never"];

function compose(files: ComposeFiles, rest: string[]): CommandLine {
  return ["docker", "compose", ...files.flatMap((file) => ["-f", file]), ...rest];
}
