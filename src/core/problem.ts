import { DeployerError } from "./errors.ts";

/** Something in the compose file that cannot be. */
export type Problem = {
  /** undefined: it is at the top of the file. */
  service: string | undefined;
  /** Keys from the service, or from the top, to what must change: `["x-deployer", "port"]`. */
  path: readonly string[];
  /** For people. It quotes no value that may be a secret. */
  why: string;
};

/** `docker-compose.yml:14: ` for what these keys lead to from the top of the compose file; "" where that cannot be told. */
export type WhereIs = (keys: readonly string[]) => string;

/** Of a configuration that nobody has written, and nobody can change. */
export const nowhere: WhereIs = () => "";

/** `docker-compose.yml:14: service "web": x-deployer.port: …` */
export function sayProblem({ service, path, why }: Problem, whereIs: WhereIs): string {
  const keys = service === undefined ? path : ["services", service, ...path];
  const whose = service === undefined ? "" : `service "${service}": `;
  const key = path.map((key) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key))).join(".");
  return `${whereIs(keys)}${whose}${key}: ${why}`;
}

/** An error with the line before it; another thing, and without a line, as it is. */
export function withLine(error: unknown, line: string): unknown {
  if (line === "" || !(error instanceof DeployerError)) return error;
  return new DeployerError(error.code, line + error.message, { cause: error });
}
