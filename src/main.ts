import { environment } from "./system/environment.ts";
import { basename } from "node:path";

import { check } from "./cli/check.ts";
import { runJwt } from "./cli/jwt.ts";
import { COMMAND_HELP, type CommandName, isCommandName, unknownWord, USAGE } from "./cli/output.ts";
import { serve } from "./cli/serve.ts";
import { BUILT, VERSION } from "./version.ts";

const USAGE_ERROR = 2;

// Not awaited at the top level: Bun cannot precompile a file that does.
void main(basename(process.argv0), process.argv.slice(2)).then((code) => process.exit(code));

/** Called by the name `jwt` this is the jwt tool; without arguments, as the unit starts it, the daemon. */
async function main(calledAs: string, args: string[]): Promise<number> {
  if (calledAs === "jwt") return await jwt(args);
  const [word = "serve", ...rest] = args;
  if (word === "jwt") return await jwt(rest);
  if (word === "--help" || word === "-h" || word === "help") return print(USAGE);
  if (word === "--version") return print(`${VERSION}\n`);
  if (!isCommandName(word)) return complain(unknownWord(word));
  if (rest.includes("--help") || rest.includes("-h")) return print(COMMAND_HELP[word]);
  return await run(word, rest);
}

async function run(command: CommandName, args: string[]): Promise<number> {
  const json = command === "check" && args.includes("--json");
  const unexpected = args.find((arg) => !(json && arg === "--json"));
  if (unexpected !== undefined) return complain(unknownWord(unexpected, command));
  switch (command) {
    case "serve":
      return await serve(environment, VERSION);
    case "check":
      return await check(environment, { json, print });
    case "version":
      return print(`${VERSION}\n`);
  }
}

function jwt(args: string[]): Promise<number> {
  return runJwt(args, {
    stdout: (text) => void print(text),
    stderr: (text) => void process.stderr.write(text),
    env: environment,
    now: Date.now,
    version: VERSION,
    built: BUILT,
  });
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function complain(text: string): number {
  process.stderr.write(text);
  return USAGE_ERROR;
}
