import { randomUUID } from "node:crypto";

import type { DeploymentAnswer } from "../src/client/answers.ts";
import { ClientError } from "../src/client/client-error.ts";
import { createClient } from "../src/client/client.ts";
import { EXIT } from "../src/client/exit-codes.ts";
import { followToEnd, type Listener } from "../src/client/follow.ts";
import { overUrl } from "../src/client/over-url.ts";
import type { Patience } from "../src/client/patience.ts";
import { sleep } from "../src/client/sleep.ts";
import { DeployerError } from "../src/core/errors.ts";
import { GithubTokenError } from "../src/tokens/github-token.ts";
import { authoriser } from "./authorise.ts";
import { errorCommand, maskCommands, warningCommand } from "./commands.ts";
import { fetchBelieving } from "./https.ts";
import { inertLines } from "./inert.ts";
import { type Inputs, readInputs, secretsOf } from "./inputs.ts";
import { headingOf, type Outcome, outcomeOf, outcomeOfError, outcomeOfPatience } from "./outcome.ts";
import { type Outputs, writeOutputs, writeSummary } from "./outputs.ts";
import { RolloutLog } from "./rollout-log.ts";
import { type Report, summaryOf } from "./summary.ts";

/** The step: asks for the deployment, shows it while it happens, and tells how it ended. @returns the exit code */
export async function deployStep(
  env: Readonly<Record<string, string | undefined>>,
  write: (text: string) => void,
  cancelled: AbortSignal,
): Promise<number> {
  for (const secret of secretsOf(env)) write(maskCommands(secret));
  const log = new RolloutLog(write, randomUUID, Date.now);
  const known: Known = { services: [], id: undefined, isBegun: false, deployment: undefined };
  const outcome = await deploy(env, log, known, cancelled).catch(outcomeOfThrown);
  const stages = log.close();

  const { services, id, deployment } = known;
  if (deployment !== undefined) log.failures(deployment);
  log.say(`${id === undefined ? "" : `deployment ${id}, `}${headingOf(services, outcome)}`);
  annotate(outcome, services, write);
  writeOutputs(outputsOf(known), env);
  writeSummary(summaryOf({ services, outcome, id, deployment, stages }), env);
  return outcome.exitCode;
}

/** What is known so far, whatever happens next. */
type Known = Pick<Report, "services" | "id" | "deployment"> & { isBegun: boolean };

/** Errors: `ClientError`, `DeployerError` of the inputs, `GithubTokenError`. */
async function deploy(
  env: Readonly<Record<string, string | undefined>>,
  log: RolloutLog,
  known: Known,
  cancelled: AbortSignal,
): Promise<Outcome> {
  const inputs = readInputs(env);
  known.services = inputs.services;
  const timeout = AbortSignal.timeout(inputs.timeoutMs);
  const patience: Patience = {
    now: Date.now,
    sleep,
    say: (text) => log.say(text),
    enough: AbortSignal.any([timeout, cancelled]),
  };
  const { url, ca, services, image, images, force, run } = inputs;
  const transport = overUrl({
    url,
    authorise: authoriser(inputs, env),
    ...(ca === undefined ? {} : { fetch: fetchBelieving(ca) }),
  });
  const client = createClient(transport, patience);
  if (url.startsWith("http:"))
    log.say(
      `warning: ${url} is not encrypted: who is on the way reads what is deployed and told; each token is good for its one request`,
    );
  log.say(`asking ${url} for ${wishOf(inputs)}`);
  try {
    const following = await client.deploy({ services, image, images, force, run });
    known.id = following.id;
    log.say(`deployment ${following.id}`);
    const listener: Listener = {
      event(event) {
        known.isBegun ||= event.phase === "started";
        log.event(event);
      },
      progress: (progress) => log.progress(progress),
    };
    known.deployment = await followToEnd(following, client, listener, patience);
    return outcomeOf(known.deployment);
  } catch (error) {
    if (cancelled.aborted) return outcomeOfPatience(known.id, "the job was cancelled");
    if (timeout.aborted) return outcomeOfPatience(known.id, "it has not ended within the timeout");
    throw error;
  }
}

function outcomeOfThrown(error: unknown): Outcome {
  if (error instanceof ClientError) return outcomeOfError(error);
  if (error instanceof DeployerError)
    return { exitCode: EXIT.usage, level: "error", title: "wrong inputs", reason: error.message };
  if (error instanceof GithubTokenError)
    return { exitCode: EXIT.notAuthorized, level: "error", title: "no token", reason: error.message };
  throw error;
}

function annotate(outcome: Outcome, services: readonly string[], write: (text: string) => void): void {
  const heading = headingOf(services, outcome);
  const why = inertLines(outcome.reason).join("\n");
  if (outcome.level === "error") write(errorCommand(heading, why === "" ? heading : why));
  if (outcome.level === "warning") write(warningCommand(heading, why === "" ? heading : why));
}

function outputsOf({ id, deployment, isBegun }: Known): Outputs {
  if (id === undefined) return {};
  const status = deployment?.status ?? (isBegun ? "running" : "queued");
  return { deployment: id, status, ...digestOf(deployment) };
}

function digestOf(deployment: DeploymentAnswer | undefined): Pick<Outputs, "digest"> {
  const parts = (deployment?.services ?? []).filter(({ digest }) => digest !== null);
  if (parts.length === 0) return {};
  const isOne = deployment?.services.length === 1;
  return {
    digest: parts.map(({ service, digest }) => (isOne ? digest : `${service}=${digest}`)).join("\n"),
  };
}

function wishOf({ services, image, images }: Inputs): string {
  return services
    .map((service) => `${image ?? images?.[service] ?? "the image of the compose file"} on ${service}`)
    .join(", ");
}
