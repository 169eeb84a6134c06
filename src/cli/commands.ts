import { EXIT } from "../client/exit-codes.ts";
import { check } from "./check.ts";
import type { Command } from "./command.ts";
import { compose } from "./compose.ts";
import { deploy } from "./deploy.ts";
import type { CommandName } from "./help.ts";
import { readArguments } from "./arguments.ts";
import { history } from "./history.ts";
import { logs } from "./logs.ts";
import { order } from "./order.ts";
import { rejected } from "./rejected.ts";
import { restart } from "./restart.ts";
import { rollback } from "./rollback.ts";
import { serve } from "./serve.ts";
import { status } from "./status.ts";
import { up } from "./up.ts";

export const COMMANDS: Record<CommandName, Command> = {
  serve: async (args, { env, version }) => {
    readArguments("serve", args);
    return await serve(env, version);
  },
  check,
  status,
  history,
  logs,
  deploy,
  rollback,
  restart,
  up,
  order,
  rejected,
  compose,
  version: async (args, { version, stdout }) => {
    readArguments("version", args);
    stdout(`${version}\n`);
    return EXIT.succeeded;
  },
};
