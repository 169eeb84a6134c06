import type { RunResult } from "../system/run.ts";

/**
 * What Compose says is wrong, fit for replies and logs: file, line, place and kind of the error, never a value.
 *
 * Compose quotes what it cannot read, and that may be the password of an env file.
 */
export function complaint(result: RunResult): string {
  const { stderr, timedOut, exitCode, signal } = result;
  if (timedOut) return "docker compose did not end in time";
  if (hasNoCompose(result)) return "this user's docker command has no Compose plugin";
  const lines = withoutValues(withoutWarnings(stderr))
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !CONTAINERS_NOT_STARTED.test(line));
  return lines.at(-1) ?? `docker compose ended with ${exitCode ?? signal ?? "no code"}`;
}

/** How `run` sums up: the reason stands in the line before. */
const CONTAINERS_NOT_STARTED = /^(?:error: )?failed to start containers: /i;

/** So says the docker CLI without the plugin, and when a signal ended the plugin while it was asked for its name. */
export function hasNoCompose({ exitCode, stderr }: RunResult): boolean {
  return exitCode !== 0 && /(?:see|run) 'docker --help'/i.test(stderr);
}

/**
 * The errors of compose-go (dotenv, template, interpolation, loader, schema), go-yaml and the engine that quote a value.
 * A value may have line breaks and quotes of its own, so where its end cannot be told all that follows is dropped.
 */
const QUOTING: readonly [quoting: RegExp, instead: string][] = [
  [/(invalid interpolation format for [^\s]+?)[.:]?\s[^]*$/i, "$1"],
  [/(unterminated quoted value)\s[^]*$/i, "$1"],
  [/(unexpected character "(?:[^"\\]|\\.)*" in variable name)\s[^]*$/i, "$1"],
  [/(parsing) "(?:[^"\\]|\\.)*"/g, "$1 a value"],
  [/(cannot unmarshal \S+) `[^]*` (into )/, "$1 $2"],
  [/'[^]*' (does not match|is not valid)/i, "the value $1"],
  [/(is not valid [\w-]+): [^]*$/i, "$1"],
  [
    /\b(invalid (?!reference format|mount config|compose project)\w[\w ,-]*?)(?:: *|\s+(?=["'`]))\S[^]*$/i,
    "$1",
  ],
];

function withoutValues(text: string): string {
  return QUOTING.reduce((left, [quoting, instead]) => left.replace(quoting, instead), text);
}

/** They come before the error, each a line of logfmt. */
function withoutWarnings(stderr: string): string {
  return stderr
    .split("\n")
    .filter((line) => !line.trim().startsWith("time="))
    .join("\n");
}
