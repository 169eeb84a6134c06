import { attempt, BASE_ENV, type Result } from "./run.ts";
import { stage } from "./stage.ts";

/** A command of the program, on a machine that has none of the daemon's files. */
export async function remoteCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Result> {
  return await attempt([stage().binary, ...args], { env: { ...BASE_ENV, ...env } });
}
