import { readArguments } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";
import { EXIT, exitCodeOf } from "./exit-codes.ts";
import { endLines, eventLine, followToEnd } from "./follow.ts";

export const logs: Command = async (args, io) => {
  const { words, flags } = readArguments(
    "logs",
    args,
    { follow: { kind: "flag", short: "f" }, json: { kind: "flag" } },
    ["ID"],
  );
  const [id = ""] = words;
  const client = io.connect();
  const isJson = flags.has("json");
  if (!flags.has("follow")) {
    const events = await client.events(id);
    io.stdout(isJson ? toJson({ events }) : events.map(eventLine).join(""));
    return EXIT.succeeded;
  }
  const ended = await followToEnd(
    await client.follow(id),
    client,
    (event) => io.stdout(isJson ? toJson(event) : eventLine(event)),
    io,
  );
  if (isJson) io.stdout(toJson(ended));
  else io.stderr(endLines(ended));
  return exitCodeOf(ended);
};
