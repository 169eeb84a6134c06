import { describeFlags, type Flag, parseGoFlags } from "./go-flags.ts";

/** What the `jwt` tool needs of the process. */
export type JwtIo = {
  stdout(text: string): void;
  stderr(text: string): void;
  env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  now(): number;
  version: string;
  /** The build date; undefined prints `unknown`. */
  built?: string | undefined;
};

export type JwtCommand<Name extends string> = {
  name: string;
  flags: Record<Name, Flag>;
  /** Resolves to the exit code; what it throws is printed after the command's name, exit code 1. */
  run(values: Record<Name, string>, io: JwtIo): number | Promise<number>;
};

export async function runCommand<Name extends string>(
  command: JwtCommand<Name>,
  args: readonly string[],
  io: JwtIo,
): Promise<number> {
  const parsed = parseGoFlags(command.flags, args);
  if (parsed.kind === "help") {
    io.stdout(usageOf(command));
    return 0;
  }
  if (parsed.kind === "problem") {
    io.stderr(`${parsed.message}\n${usageOf(command)}`);
    return 2;
  }
  try {
    return await command.run(parsed.values, io);
  } catch (error) {
    io.stderr(`${command.name.charAt(0).toUpperCase()}${command.name.slice(1)} error: ${messageOf(error)}\n`);
    return 1;
  }
}

export function usageOf({ name, flags }: { name: string; flags: Record<string, Flag> }): string {
  return `Usage of jwt ${name}:\n${describeFlags(flags)}`;
}

/** Runs `action`; what it throws is said after `label`. */
export function labelled<Result>(label: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw new Error(`${label}: ${messageOf(error)}`, { cause: error });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
