import { z } from "zod";
import { DeployerError } from "../core/errors.ts";

const MAX_MESSAGE_LENGTH = 500;
const errorBody = z.object({ message: z.string() });

/** A whole answer of the engine. */
export type Answer = { status: number; text: string };

/** The parsed body of a successful answer; a `docker` error for a refusal and for a body of another shape. */
export function parseAnswer<T>(answer: Answer, schema: z.ZodType<T>, action: string): T {
  if (answer.status !== 200) throw refused(answer, action);
  const parsed = schema.safeParse(parseJson(answer.text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue === undefined ? "" : ` (${issue.path.join(".")}: ${issue.message})`;
  throw new DeployerError("docker", `Docker's answer cannot be understood: could not ${action}${where}`);
}

/** A refusal in the engine's own words. */
export function refused(answer: Answer, action: string): DeployerError {
  return new DeployerError(
    "docker",
    `Docker could not ${action}: ${oneLine(engineMessage(answer.text)) || `HTTP ${answer.status}`}`,
  );
}

/** `message` of an engine's error body, or the body itself when it has another shape. */
export function engineMessage(text: string): string {
  const parsed = errorBody.safeParse(parseJson(text));
  return parsed.success ? parsed.data.message : text;
}

/** Undefined for anything that is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A stranger's words made fit for a message: one line, no control characters, bounded. */
export function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line.length > MAX_MESSAGE_LENGTH ? `${line.slice(0, MAX_MESSAGE_LENGTH)}…` : line;
}
