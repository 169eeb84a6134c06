import { runChecks } from "../checks.ts";
import type { Environment } from "../config.ts";
import { checkLine, checkSummary } from "./output.ts";

/** Prints each check as it is made, or all as JSON. Resolves to the exit code: 0, or 1 when one failed. */
export async function check(
  env: Environment,
  { json, print }: { json: boolean; print: (text: string) => void },
): Promise<number> {
  const results = [];
  for await (const result of runChecks(env)) {
    results.push(result);
    if (!json) print(checkLine(result));
  }
  const failed = results.filter(({ ok }) => !ok).length;
  print(json ? `${JSON.stringify({ ok: failed === 0, checks: results })}\n` : checkSummary(failed));
  return failed === 0 ? 0 : 1;
}
