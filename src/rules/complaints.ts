import type { z } from "zod";

/** Keys from the top of the file to what is wrong. */
export type Path = readonly PropertyKey[];
export type Complaint = { path: Path; message: string };

/** What zod found wrong. Of the forms that a value may have, the one that it was meant to have is told. */
export function complaintsOf(issues: readonly z.core.$ZodIssue[], base: Path): Complaint[] {
  return issues.flatMap((issue): Complaint[] => {
    const path = [...base, ...issue.path];
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: "is not known here: remove it, or correct its name",
      }));
    if (issue.code === "invalid_union") {
      const meant = issue.errors.find((errors) => !errors.some(isWrongKind)) ?? issue.errors[0];
      if (meant !== undefined && meant.length > 0) return complaintsOf(meant, path);
    }
    return [{ path, message: issue.message }];
  });
}

function isWrongKind({ code, path }: z.core.$ZodIssue): boolean {
  return (code === "invalid_type" || code === "invalid_value") && path.length === 0;
}

/** `issuers[1].rules[2].ref: `, counted from 1 as people do. */
export function sayPath(path: Path): string {
  if (path.length === 0) return "";
  const keys = path.map((key) => (typeof key === "number" ? `[${key + 1}]` : `.${String(key)}`));
  return `${keys.join("").replace(/^\./, "")}: `;
}
