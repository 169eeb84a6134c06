import type { Client } from "../client/client.ts";
import { ClientError } from "../client/client-error.ts";
import { EXIT, exitCodeOfError } from "../client/exit-codes.ts";
import type { Patience } from "../client/patience.ts";
import type { Transport } from "../client/transport.ts";
import type { Environment } from "../variables.ts";
import { escapeControls } from "../system/terminal-controls.ts";
import { UsageError } from "./arguments.ts";
import type { Terminal } from "./region.ts";
import { COMMAND_HELP, type CommandName, mistake } from "./help.ts";

/** What a command needs of the process. stdout is the result, stderr the talk. */
export type Io = {
  env: Environment;
  version: string;
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Ends when `enough` aborts. */
  sleep: (milliseconds: number, enough?: AbortSignal) => Promise<void>;
  /** To the daemon of this host, or to one by another way; nothing is sent yet. */
  connect: (how?: { by?: Transport; enough?: AbortSignal | undefined }) => Client;
  /** Where stderr is a terminal that can be redrawn. */
  terminal?: Terminal | undefined;
};

/** How a command waits for the daemon. */
export function patienceOf({ now, sleep, stderr }: Io): Patience {
  return { now, sleep, say: (text) => stderr(`${text}\n`) };
}

/** Resolves to the exit code. */
export type Command = (args: string[], io: Io) => Promise<number>;

/** Runs a command; what is wrong with its arguments, and what the daemon refuses, is said on stderr. */
export async function runCommand(
  name: CommandName,
  command: Command,
  args: string[],
  io: Io,
): Promise<number> {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  if (own.includes("--help") || own.includes("-h")) {
    io.stdout(COMMAND_HELP[name]);
    return EXIT.succeeded;
  }
  try {
    return await command(args, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr(mistake(error.message, name));
      return EXIT.usage;
    }
    if (!(error instanceof ClientError)) throw error;
    io.stderr(`deployer-service: ${error.message}\n`);
    return exitCodeOfError(error);
  }
}

/** On one line; what comes from elsewhere cannot move the cursor of a terminal. */
export function toJson(value: unknown): string {
  return `${escapeControls(JSON.stringify(value))}\n`;
}
