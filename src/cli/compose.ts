import type { ComposeAnswer } from "../answers.ts";
import { type Client, ClientError } from "../client.ts";
import { DeployerError } from "../core/errors.ts";
import { environmentOf } from "../system/environment.ts";
import { runInTerminal } from "../system/terminal.ts";
import { UsageError } from "./arguments.ts";
import type { Command, Io } from "./command.ts";
import { changesSomething } from "./compose-words.ts";

/** Said when the turn does not come at once. */
const SAY_WAITING_AFTER_MS = 1_000;
/** What is this terminal's, not the daemon's. */
const OF_THE_TERMINAL = ["TERM", "COLORTERM", "NO_COLOR", "COLUMNS", "LINES"];

export const compose: Command = async (args, io) => {
  const [first, ...words] = args;
  if (first !== "--" || words.length === 0)
    throw new UsageError('"compose" needs -- and what docker compose is to do');
  const changes = changesSomething(words);
  const client = io.connect();
  const turn = changes ? await takeTurn(client, io) : undefined;
  try {
    const place = await client.compose();
    return await runInTerminal(commandLine(place, words), surroundings(place, changes, io));
  } catch (error) {
    if (error instanceof DeployerError) throw new ClientError(error.code, error.message, { cause: error });
    throw error;
  } finally {
    turn?.giveBack();
  }
};

async function takeTurn(client: Client, io: Io): Promise<{ giveBack(): void }> {
  const turn = client.turn();
  const said = io.sleep(SAY_WAITING_AFTER_MS).then(() => "late");
  if ((await Promise.race([turn, said])) === "late")
    io.stderr("waiting for what is at work, deployments wait for this command then\n");
  return await turn;
}

function commandLine({ compose_file, pins_file }: ComposeAnswer, words: readonly string[]): string[] {
  const pins = pins_file === null ? [] : ["-f", pins_file];
  return ["docker", "compose", "-f", compose_file, ...pins, ...words];
}

/**
 * The environment decides what the compose file means, so it has to be the daemon's. It is not sent over the socket, it may
 * hold secrets: the kernel gives it to root and to the daemon's user. With another one nothing is changed.
 */
function surroundings(
  { pid, folder }: ComposeAnswer,
  changes: boolean,
  io: Io,
): { env: Record<string, string | undefined>; cwd: string } {
  const daemons = environmentOf(pid);
  if (daemons !== undefined) {
    const terminal = OF_THE_TERMINAL.map((name) => [name, io.env[name]] as const);
    return { env: { ...daemons, ...Object.fromEntries(terminal) }, cwd: folder };
  }
  if (changes)
    throw new ClientError(
      "unauthorized",
      "the daemon's environment, which the compose file may depend on, may not be read by this user: be root (sudo), or the daemon's user",
    );
  io.stderr("note: this user may not read the daemon's environment, the one of this shell is used\n");
  return { env: { ...io.env }, cwd: process.cwd() };
}
