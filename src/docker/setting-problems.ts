import type { z } from "zod";

import type { Problem } from "../core/problem.ts";
import { nearest } from "./nearest.ts";

/** Something that is wrong with an `x-deployer`, whosever it is. */
export type SettingProblem = Omit<Problem, "service">;

/**
 * What the schema of an `x-deployer` complains about.
 * @param keysOf the keys there are in the mapping at a path (`health`), places in lists left out; "" for `x-deployer` itself
 */
export function settingProblems(
  error: z.ZodError | undefined,
  keysOf: Readonly<Record<string, readonly string[]>>,
): SettingProblem[] {
  return (error?.issues ?? []).flatMap((issue): SettingProblem[] => {
    const path = ["x-deployer", ...issue.path.map(String)];
    if (issue.code !== "unrecognized_keys") return [{ path, why: issue.message }];
    const mapping = issue.path.filter((key) => typeof key !== "number").map(String);
    const known = keysOf[mapping.join(".")] ?? [];
    return issue.keys.map((key) => ({ path: [...path, key], why: unknownKey(key, known) }));
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return meant === undefined
    ? `unknown key, there are ${known.join(", ")}`
    : `unknown key, meant is perhaps ${meant}`;
}
