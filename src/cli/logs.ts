import { EXIT, exitCodeOf } from "../client/exit-codes.ts";
import { followToEnd } from "../client/follow.ts";
import { readArguments } from "./arguments.ts";
import { type Command, patienceOf, toJson } from "./command.ts";
import { daemonOf, REMOTE_FLAGS } from "./remote.ts";
import { endLines, eventLine } from "./follow.ts";

export const logs: Command = async (args, io) => {
  const given = readArguments(
    "logs",
    args,
    { follow: { kind: "flag", short: "f" }, json: { kind: "flag" }, ...REMOTE_FLAGS },
    ["ID"],
  );
  const { words, flags } = given;
  const [id = ""] = words;
  const client = daemonOf(given, io);
  const isJson = flags.has("json");
  if (!flags.has("follow")) {
    const events = await client.events(id);
    io.stdout(isJson ? toJson({ events }) : events.map(eventLine).join(""));
    return EXIT.succeeded;
  }
  const ended = await followToEnd(
    await client.follow(id),
    client,
    { event: (event) => io.stdout(isJson ? toJson(event) : eventLine(event)) },
    patienceOf(io),
  );
  if (isJson) io.stdout(toJson(ended));
  else io.stderr(endLines(ended));
  return exitCodeOf(ended);
};
