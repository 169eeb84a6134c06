import { z } from "zod";

/**
 * Values of `x-deployer` as `docker compose config` prints them. What Compose interpolates (`port: ${PORT}`) comes as a
 * text whatever it looks like, so a number may be one. No complaint quotes a value: it may hold a secret.
 */

/** Says what is wrong with a value, or with a part of it. */
type Refuse = (why: string, part?: string) => undefined;

/** Complaints become issues of the schema. */
export function refusing(context: z.RefinementCtx): Refuse {
  return (message, part) => {
    context.addIssue({ code: "custom", message, path: part === undefined ? [] : [part] });
    return undefined;
  };
}

/** A value that may be absent. */
export function written<T>(read: (value: unknown, refuse: Refuse) => T | undefined) {
  return z
    .unknown()
    .optional()
    .transform((value, context): T | undefined => {
      if (value === undefined) return undefined;
      return read(value, refusing(context));
    });
}

/** The complaint of a schema about a value of another type. */
export function mustBe(what: string) {
  return ({ code, input }: { code?: string | undefined; input?: unknown }): string | undefined =>
    code === "invalid_type" ? `must be ${what}, not ${kindOf(input)}` : undefined;
}

/** A number as it is written; `""` for what is neither number nor text. */
export function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** A text that is passed on as it is: YAML must not have taken it for something else. */
export function exactText(value: unknown, refuse: Refuse): string | undefined {
  if (typeof value === "string") return value;
  // Compose writes texts like 12e4567 without their quotes, and then they are read as this.
  if (typeof value === "number" && !Number.isFinite(value))
    return refuse("is a number to YAML, even in quotes: write it another way");
  if (typeof value === "number" || typeof value === "boolean")
    return refuse(`is ${kindOf(value)} to YAML: put it in quotes`);
  return refuse(`must be a text, not ${kindOf(value)}`);
}

/** What a value is, in the words of people who write YAML. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (value === "") return "an empty text";
  return KINDS[typeof value] ?? "a mapping";
}

const KINDS: Readonly<Record<string, string>> = {
  number: "a number",
  boolean: "true or false",
  string: "a text",
};
