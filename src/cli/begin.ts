import type { DeploymentAnswer } from "../client/answers.ts";
import type { Client, Following } from "../client/client.ts";
import { EXIT } from "../client/exit-codes.ts";
import type { Arguments, Options } from "./arguments.ts";
import { type Io, toJson } from "./command.ts";
import { nameOf } from "./follow.ts";
import { daemonOf, REMOTE_FLAGS } from "./remote.ts";
import { timeLimit } from "./time-limit.ts";
import { watchToEnd } from "./watch-to-end.ts";

/** Where a deployment begins, and whether it is waited for. */
export const BEGIN_FLAGS = {
  "no-wait": { kind: "flag" },
  timeout: { kind: "value" },
  json: { kind: "flag" },
  ...REMOTE_FLAGS,
} as const satisfies Options;

/** One and the same deployment, asked for in two ways. */
type Beginning = {
  /** To its end. */
  follow: (client: Client) => Promise<Following>;
  /** Resolves when it is accepted. */
  leave: (client: Client) => Promise<DeploymentAnswer>;
};

/** Begins a deployment where the flags say, and shows what comes of it. @returns the exit code. Errors: `UsageError`, `ClientError`. */
export async function begin(
  given: Pick<Arguments, "flags" | "values">,
  io: Io,
  { follow, leave }: Beginning,
): Promise<number> {
  const { flags, values } = given;
  const isJson = flags.has("json");
  const enough = timeLimit(values.get("timeout"));
  const client = daemonOf(given, io, enough);
  if (!flags.has("no-wait")) return await watchToEnd(await follow(client), client, io, { isJson, enough });
  const deployment = await leave(client);
  io.stdout(isJson ? toJson(deployment) : acceptedLine(deployment));
  return EXIT.succeeded;
}

function acceptedLine(deployment: DeploymentAnswer): string {
  const { id } = deployment;
  return `deployment ${id} of ${nameOf(deployment)}: accepted; "deployer-service logs ${id} -f" follows it\n`;
}
