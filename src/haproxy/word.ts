import { DeployerError } from "../core/errors.ts";

/**
 * A value that becomes part of the proxy's configuration, or of a command to it. Whoever read it has judged it: what does not
 * fit here would be syntax, and nothing is written at all. Errors: `edge`.
 */
export function word(value: string, form: RegExp): string {
  if (form.test(value) && !/\s/.test(value)) return value;
  throw new DeployerError("edge", `${JSON.stringify(value)} cannot be written into the edge's configuration`);
}

/** The name of a compose service, which names its backend. Those of ours have a colon. */
export function serviceWord(service: string): string {
  return word(service, /^[A-Za-z0-9._-]+$/);
}
