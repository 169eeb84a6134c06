import { parseRun, type Run } from "../core/order.ts";
import { errorCode, publicMessage } from "../core/errors.ts";
import { readArguments, UsageError } from "./arguments.ts";
import { BEGIN_FLAGS, begin } from "./begin.ts";
import type { Command } from "./command.ts";

export const deploy: Command = async (args, io) => {
  const given = readArguments(
    "deploy",
    args,
    {
      image: { kind: "value" },
      force: { kind: "flag" },
      run: { kind: "value" },
      ...BEGIN_FLAGS,
    },
    ["SERVICE…"],
  );
  const { words: services, flags, values } = given;
  const run = values.get("run");
  const order = {
    services,
    image: values.get("image"),
    ...(flags.has("force") ? { force: true } : {}),
    ...(run === undefined ? {} : { run: runOf(run) }),
  };
  return await begin(given, io, {
    follow: (client) => client.deploy(order),
    leave: (client) => client.deployLater(order),
  });
};

/** `WORKFLOW:NUMBER[:ATTEMPT]`; a workflow may have colons itself. */
function runOf(text: string): Run {
  const [, workflow, number, attempt] = /^(.+?):(\d{1,15})(?::(\d{1,15}))?$/.exec(text) ?? [];
  if (workflow === undefined) throw new UsageError('flag "--run" needs WORKFLOW:NUMBER[:ATTEMPT]');
  try {
    return parseRun({
      workflow,
      number: Number(number),
      ...(attempt === undefined ? {} : { attempt: Number(attempt) }),
    });
  } catch (error) {
    if (errorCode(error) !== "invalid") throw error;
    throw new UsageError(`flag "--run": ${publicMessage(error)}`, { cause: error });
  }
}
