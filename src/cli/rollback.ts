import { readArguments } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { endLines, eventLine, followToEnd } from "./follow.ts";

export const rollback: Command = async (args, io) => {
  const { words, flags, values } = readArguments(
    "rollback",
    args,
    { to: { kind: "value" }, json: { kind: "flag" } },
    ["SERVICE"],
  );
  const [service = ""] = words;
  const client = io.connect();
  const to = values.get("to");
  const following = await client.rollback({ service, ...(to === undefined ? {} : { to }) });
  const ended = await followToEnd(following, client, (event) => io.stderr(eventLine(event)), io);
  io.stdout(flags.has("json") ? toJson(ended) : endLines(ended));
  return exitCodeOf(ended);
};
