import type { RejectedAnswer } from "../client/answers.ts";
import { EXIT } from "../client/exit-codes.ts";
import { KEPT_REJECTIONS } from "../core/rejection.ts";
import { escapeControls } from "../system/terminal-controls.ts";
import { readArguments } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";
import { readLimit } from "./limit.ts";
import { table } from "./tables.ts";
import { localTime } from "./times.ts";

const DEFAULT_LIMIT = 20;
/** What tells who asked; GitHub's tokens have two dozen claims, which `--json` prints. */
const SHOWN_CLAIMS = ["sub", "repository", "ref", "event_name"];

export const rejected: Command = async (args, io) => {
  const { flags, values } = readArguments("rejected", args, {
    limit: { kind: "value" },
    json: { kind: "flag" },
  });
  const limit = readLimit(values.get("limit"), { otherwise: DEFAULT_LIMIT, most: KEPT_REJECTIONS });
  const found = await io.connect().rejected(limit);
  io.stdout(flags.has("json") ? toJson({ rejected: found }) : rejectedTable(found));
  return EXIT.succeeded;
};

type Rejected = RejectedAnswer["rejected"][number];

/** Its texts are those of whoever sent the requests. */
function rejectedTable(found: readonly Rejected[]): string {
  if (found.length === 0) return "no request was refused for want of a good token\n";
  return table(
    ["TIME", "FROM", "REQUEST", "CODE", "CAUSE", "CLAIMS"],
    found.map((each) =>
      [
        localTime(each.at),
        each.remote,
        `${each.method} ${each.path}`,
        each.code,
        `${each.cause}${moreOf(each)}`,
        claimsOf(each),
      ].map(escapeControls),
    ),
  );
}

function moreOf({ unlisted }: Rejected): string {
  return unlisted === 0 ? "" : ` (before it ${unlisted} more, counted only)`;
}

function claimsOf({ claims, verified }: Rejected): string {
  if (claims === null) return "";
  // Of what a key signed, its issuer is the only name; GitHub's is always the same.
  const names = Object.hasOwn(claims, "repository") ? SHOWN_CLAIMS : ["iss", ...SHOWN_CLAIMS];
  const shown = names.filter((name) => Object.hasOwn(claims, name)).map((name) => [name, claims[name]]);
  return `${verified ? "verified" : "not verified"} ${JSON.stringify(Object.fromEntries(shown))}`;
}
