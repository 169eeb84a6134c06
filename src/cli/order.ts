import { EXIT } from "../client/exit-codes.ts";
import { readArguments, UsageError } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";

export const order: Command = async (args, io) => {
  const { words, flags } = readArguments("order", args, { json: { kind: "flag" } }, ["reset", "SERVICE"]);
  const [verb = "", service = ""] = words;
  if (verb !== "reset") throw new UsageError(`unknown argument ${JSON.stringify(verb)} of "order"`);
  const answer = await io.connect().forgetGuards(service);
  io.stdout(flags.has("json") ? toJson(answer) : `${service}: ${said(answer.forgotten)}\n`);
  return EXIT.succeeded;
};

function said(forgotten: number): string {
  if (forgotten === 0) return "no run was remembered";
  return `the newest run of ${forgotten} workflow${forgotten === 1 ? "" : "s"} is forgotten`;
}
