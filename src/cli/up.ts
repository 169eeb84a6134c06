import type { DeploymentAnswer, UpAnswer } from "../client/answers.ts";
import type { Client } from "../client/client.ts";
import { EXIT, exitCodeOf, worstExitCode } from "../client/exit-codes.ts";
import { followToEnd } from "../client/follow.ts";
import { readArguments } from "./arguments.ts";
import { type Command, type Io, patienceOf, toJson } from "./command.ts";
import { endLines, eventLine } from "./follow.ts";
import { table } from "./tables.ts";

type Step = UpAnswer["services"][number];

const WORDS: Record<Step["did"], string> = {
  brought_up: "brought up",
  deploying: "deploying",
  left_alone: "left alone",
  failed: "FAILED",
};

export const up: Command = async (args, io) => {
  const { flags } = readArguments("up", args, { json: { kind: "flag" } });
  const client = io.connect();
  const { services } = await client.up();
  const isJson = flags.has("json");
  if (!isJson)
    io.stdout(
      table(
        ["SERVICE", "DONE", "WHY"],
        services.map(({ service, did, text }) => [service, WORDS[did], text]),
      ),
    );
  // All at once, as they run: each waits for its own service only.
  const ends = await Promise.all(services.map((step) => endOf(step, client, io)));
  for (const end of ends) if (end !== undefined && !isJson) io.stdout(endLines(end));
  if (isJson)
    io.stdout(toJson({ services: services.map((step, n) => ({ ...step, deployment: ends[n] ?? null })) }));
  return worstExitCode([
    ...services.map(({ did }) => (did === "failed" ? EXIT.failed : EXIT.succeeded)),
    ...ends.map((end) => (end === undefined ? EXIT.succeeded : exitCodeOf(end))),
  ]);
};

async function endOf(step: Step, client: Client, io: Io): Promise<DeploymentAnswer | undefined> {
  if (step.deployment === null) return undefined;
  const following = await client.follow(step.deployment.id);
  return await followToEnd(
    following,
    client,
    { event: (event) => io.stderr(`${step.service}  ${eventLine(event)}`) },
    patienceOf(io),
  );
}
