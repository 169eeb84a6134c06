import { EXIT } from "../client/exit-codes.ts";
import { readArguments } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";
import { indented } from "./tables.ts";

const ID_DIGITS = 12;

export const restart: Command = async (args, io) => {
  const { words, flags } = readArguments("restart", args, { json: { kind: "flag" } }, ["SERVICE"]);
  const [service = ""] = words;
  const answer = await io.connect().restart(service);
  const containers = answer.containers.map((id) => id.slice(0, ID_DIGITS)).join(", ");
  io.stdout(flags.has("json") ? toJson(answer) : `${service} restarted: ${containers}\n`);
  for (const problem of answer.problems) io.stderr(`error: ${indented(problem, 0)}\n`);
  return answer.problems.length === 0 ? EXIT.succeeded : EXIT.failed;
};
