import type { Client, Following } from "../client/client.ts";
import { exitCodeOf } from "../client/exit-codes.ts";
import { followToEnd } from "../client/follow.ts";
import { type Io, toJson } from "./command.ts";
import { endLines } from "./follow.ts";
import { tellLive } from "./live.ts";
import { tellPlainly } from "./plain.ts";

/** Shows on stderr what comes of a deployment, prints its end. @returns the exit code. Errors: `ClientError`. */
export async function watchToEnd(
  following: Following,
  client: Client,
  io: Io,
  { isJson, enough }: { isJson: boolean; enough?: AbortSignal | undefined },
): Promise<number> {
  const teller = io.terminal === undefined ? tellPlainly(io) : tellLive(io.terminal, io);
  const patience = { now: io.now, sleep: io.sleep, say: teller.say, enough };
  const ended = await followToEnd(following, client, teller, patience).finally(teller.end);
  io.stdout(isJson ? toJson(ended) : endLines(ended));
  return exitCodeOf(ended);
}
