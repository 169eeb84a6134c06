import type { ComposeAnswer } from "../client/answers.ts";
import type { Client } from "../client/client.ts";
import { ClientError } from "../client/client-error.ts";
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
    const { argv, env, cwd } = commandLine(await client.compose(), words, changes, io);
    return await runInTerminal(argv, { env, cwd });
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

/**
 * The environment decides what the compose file means, so it has to be the daemon's. It is not sent over the socket, it may
 * hold secrets: the kernel gives it to root and to the daemon's user, who may read the pins too. Others change nothing.
 */
function commandLine(
  { compose_file, pins_file, folder, pid }: ComposeAnswer,
  words: readonly string[],
  changes: boolean,
  io: Io,
): { argv: string[]; env: Record<string, string | undefined>; cwd: string } {
  const command = ["docker", "compose", "-f", compose_file];
  const daemons = environmentOf(pid);
  if (daemons !== undefined) {
    const pins = pins_file === null ? [] : ["-f", pins_file];
    const terminal = OF_THE_TERMINAL.map((name) => [name, io.env[name]] as const);
    const env = { ...daemons, ...Object.fromEntries(terminal) };
    return { argv: [...command, ...pins, ...words], env, cwd: folder };
  }
  if (changes) {
    throw new ClientError(
      "unauthorized",
      "this user may not read the daemon's environment, which decides what the compose file means: be root (sudo), or the daemon's user",
    );
  }
  io.stderr("note: without the daemon's environment and pins, which this user may not read\n");
  return { argv: [...command, ...words], env: { ...io.env }, cwd: process.cwd() };
}
