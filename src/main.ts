import { EXIT } from "./client/exit-codes.ts";
import { environment } from "./system/environment.ts";
import { basename } from "node:path";

import { runCommand } from "./cli/command.ts";
import { COMMANDS } from "./cli/commands.ts";
import { controlSocket } from "./cli/control-socket.ts";
import { COMMAND_HELP, isCommandName, unknownCommand, USAGE } from "./cli/help.ts";
import { runJwt } from "./cli/jwt.ts";
import { createClient } from "./client/client.ts";
import { overSocket } from "./client/over-socket.ts";
import { sleep } from "./client/sleep.ts";
import type { Terminal } from "./cli/region.ts";
import { printAll } from "./system/print.ts";
import { BUILT, VERSION } from "./version.ts";

/** What a shell says of a program whose reader has gone: 128 + SIGPIPE. */
const READER_GONE = 141;
const DEFAULT_COLUMNS = 80;

// Not awaited at the top level: Bun cannot precompile a file that does.
void main(basename(process.argv0), process.argv.slice(2)).then((code) => process.exit(code));

/** Called by the name `jwt` this is the jwt tool; without arguments, as the unit starts it, the daemon. */
async function main(calledAs: string, args: string[]): Promise<number> {
  if (calledAs === "jwt") return await jwt(args);
  const [word = "serve", ...rest] = args;
  if (word === "jwt") return await jwt(rest);
  if (word === "help") return await help(rest[0]);
  if (word === "--help" || word === "-h") return print(USAGE);
  if (word === "--version") return print(`${VERSION}\n`);
  if (!isCommandName(word)) {
    complain(unknownCommand(word));
    return EXIT.usage;
  }
  return await runCommand(word, COMMANDS[word], rest, {
    env: environment,
    version: VERSION,
    stdout: print,
    stderr: complain,
    now: Date.now,
    sleep,
    terminal: terminalOf(process.stderr),
    connect: ({ by = overSocket(controlSocket(environment)), enough } = {}) =>
      createClient(by, { now: Date.now, sleep, say: (text) => complain(`${text}\n`), enough }),
  });
}

/** `help`, or `help COMMAND`. */
async function help(word: string | undefined): Promise<number> {
  if (word === undefined) return print(USAGE);
  if (word === "jwt") return await jwt(["--help"]);
  if (isCommandName(word)) return print(COMMAND_HELP[word]);
  complain(unknownCommand(word));
  return EXIT.usage;
}

function jwt(args: string[]): Promise<number> {
  return runJwt(args, {
    stdout: print,
    stderr: complain,
    env: environment,
    now: Date.now,
    version: VERSION,
    built: BUILT,
  });
}

/** One whose lines can be redrawn. */
function terminalOf({ isTTY, columns }: NodeJS.WriteStream): Terminal | undefined {
  if (!isTTY || environment["TERM"] === "dumb") return undefined;
  return { columns: () => process.stderr.columns ?? columns ?? DEFAULT_COLUMNS, write: complain };
}

function print(text: string): number {
  if (!printAll(process.stdout.fd, text)) process.exit(READER_GONE);
  return EXIT.succeeded;
}

function complain(text: string): void {
  printAll(process.stderr.fd, text);
}
