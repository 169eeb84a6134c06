import { readArguments } from "./arguments.ts";
import { BEGIN_FLAGS, begin } from "./begin.ts";
import type { Command } from "./command.ts";

export const rollback: Command = async (args, io) => {
  const given = readArguments(
    "rollback",
    args,
    {
      to: { kind: "value" },
      ...BEGIN_FLAGS,
    },
    ["SERVICE"],
  );
  const { words, values } = given;
  const [service = ""] = words;
  const to = values.get("to");
  const order = { service, ...(to === undefined ? {} : { to }) };
  return await begin(given, io, {
    follow: (client) => client.rollback(order),
    leave: (client) => client.rollbackLater(order),
  });
};
