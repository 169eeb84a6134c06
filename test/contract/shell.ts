import { join } from "node:path";

import { attempt, BASE_ENV, type Result } from "../support/run.ts";

const DEADLINE = 60_000;

/** Runs a script as a person would type it into bash, in `dir`, with the commands of `bin` (a folder) at hand. */
export function bash(
  script: string,
  { dir, bin, env = {} }: { dir: string; bin: string; env?: Readonly<Record<string, string>> },
): Promise<Result> {
  return attempt(["bash", "-euo", "pipefail", "-c", script], {
    cwd: dir,
    env: { ...BASE_ENV, PATH: `${bin}:${BASE_ENV["PATH"] ?? ""}`, HOME: dir, ...env },
    deadline: DEADLINE,
  });
}

/** The fenced blocks of a language under a heading of a Markdown file of this project, in order. */
export async function codeBlocks(file: string, heading: string, language: string): Promise<string[]> {
  const text = await Bun.file(join(import.meta.dir, "../..", file)).text();
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const [body = ""] = section.split("\n## ");
  return [...body.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , code = ""]) => code);
}
