import { NOT_LOOKED_AT } from "../check.ts";
import { type CheckResult, runChecks } from "../checks.ts";
import { ClientError } from "../client/client-error.ts";
import { EXIT } from "../client/exit-codes.ts";
import { readArguments } from "./arguments.ts";
import { type Command, type Io, toJson } from "./command.ts";

/** Whose environment was judged. */
type Judged = "daemon" | "shell";

const WHOSE: Record<Judged, string> = {
  daemon: "judged by the running daemon, with its environment",
  shell: "judged with the environment of this shell, not of a running daemon",
};

/** Prints each check, or all as JSON. Exit code 0, or 1 when one failed. */
export const check: Command = async (args, io) => {
  const { flags } = readArguments("check", args, { here: { kind: "flag" }, json: { kind: "flag" } });
  const isJson = flags.has("json");
  const results: CheckResult[] = [];
  const take = (result: CheckResult): void => {
    results.push(result);
    if (!isJson) io.stdout(checkLine(result));
  };
  const byDaemon = flags.has("here") ? undefined : await askDaemon(io);
  if (byDaemon === undefined) for await (const result of runChecks(io.env)) take(result);
  else for (const result of byDaemon) take(result);
  const judged = byDaemon === undefined ? "shell" : "daemon";
  const failed = results.filter(({ ok }) => !ok).length;
  io.stdout(isJson ? toJson({ ok: failed === 0, judged, checks: results }) : summary(failed, judged));
  return failed === 0 ? EXIT.succeeded : EXIT.failed;
};

/** Undefined where no daemon runs. */
async function askDaemon(io: Io): Promise<CheckResult[] | undefined> {
  try {
    return await io.connect().checks();
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    if (error.code === "unreachable") return undefined;
    if (error.code !== "unauthorized") throw error;
    io.stderr(`the running daemon may not be asked: ${error.message}\n`);
    return undefined;
  }
}

function checkLine({ name, ok, detail }: CheckResult): string {
  const verdict = ok ? (detail.startsWith(NOT_LOOKED_AT) ? "skip" : "pass") : "FAIL";
  return `${verdict}  ${name}: ${detail.replaceAll("\n", "\n      ")}\n`;
}

function summary(failed: number, judged: Judged): string {
  return failed === 0 ? `all checks passed (${WHOSE[judged]})\n` : `${failed} failed (${WHOSE[judged]})\n`;
}
