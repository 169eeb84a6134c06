import type { DeploymentAnswer, EventAnswer } from "../answers.ts";
import { type Client, ClientError, type Following } from "../client.ts";
import type { Io } from "./command.ts";
import { indented } from "./tables.ts";
import { duration, localTime } from "./times.ts";

/** A restart of the daemon: its stop, which waits for the running deployment, and its start. */
const AWAY_MS = 150_000;
const TRY_EVERY_MS = 1_000;

/** Tells each event once, over restarts of the daemon, until the deployment has ended. Errors: `ClientError`. */
export async function followToEnd(
  first: Following,
  client: Pick<Client, "follow">,
  tell: (event: EventAnswer) => void,
  io: Io,
): Promise<DeploymentAnswer> {
  let last = 0;
  let following = first;
  let giveUpAt: number | undefined;
  for (;;) {
    for await (const part of following.story) {
      if ("ended" in part) return part.ended;
      last = part.event.seq;
      giveUpAt = undefined;
      tell(part.event);
    }
    if (giveUpAt === undefined) io.stderr("the daemon went away; the deployment goes on when it is back\n");
    giveUpAt ??= io.now() + AWAY_MS;
    following = await comeBack(first.id, last, giveUpAt, client, io);
  }
}

async function comeBack(
  id: string,
  last: number,
  giveUpAt: number,
  client: Pick<Client, "follow">,
  io: Io,
): Promise<Following> {
  while (io.now() < giveUpAt) {
    await io.sleep(TRY_EVERY_MS);
    try {
      return await client.follow(id, last);
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== "unreachable") throw error;
    }
  }
  throw new ClientError("unreachable", `the daemon did not come back; "logs ${id} -f" goes on from here`);
}

/** `2026-11-23 06:00:00  started      its turn has come`. */
export function eventLine({ at, phase, level, text }: EventAnswer): string {
  const mark = level === "info" ? "" : level === "warn" ? "warning: " : "error: ";
  return `${localTime(at)}  ${phase.padEnd(12)} ${mark}${indented(text, 0)}\n`;
}

/** How it ended, and why. */
export function endLines(deployment: DeploymentAnswer): string {
  const { id, status, reason, created_at, ended_at, changed } = deployment;
  const took = ended_at === null ? "" : ` in ${duration(Date.parse(ended_at) - Date.parse(created_at))}`;
  const how =
    status === "succeeded" && changed === false ? `${status}, nothing had changed` : `${status}${took}`;
  const why = reason === "" ? "" : `\n${indented(reason, 0)}`;
  return `deployment ${id} of ${nameOf(deployment)}: ${how}${why}\n`;
}

export function nameOf({ services }: DeploymentAnswer): string {
  return services.map(({ service }) => service).join(", ");
}
