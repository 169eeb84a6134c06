import type { DeploymentAnswer } from "../client/answers.ts";
import { duration } from "../client/duration.ts";
import { EXIT } from "../client/exit-codes.ts";
import { shortImage } from "../client/short-image.ts";
import { STATUSES } from "../core/deployment.ts";
import { readArguments, UsageError } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";
import { nameOf } from "./follow.ts";
import { readLimit } from "./limit.ts";
import { daemonOf, REMOTE_FLAGS } from "./remote.ts";
import { table } from "./tables.ts";
import { localTime } from "./times.ts";

const DEFAULT_LIMIT = 20;
/** The daemon keeps no more. */
const MAX_LIMIT = 10_000;

export const history: Command = async (args, io) => {
  const given = readArguments(
    "history",
    args,
    { status: { kind: "value" }, limit: { kind: "value" }, json: { kind: "flag" }, ...REMOTE_FLAGS },
    ["[SERVICE]"],
  );
  const { words, flags, values } = given;
  const status = values.get("status");
  if (status !== undefined && !STATUSES.some((known) => known === status))
    throw new UsageError(`unknown status ${JSON.stringify(status)}; there are ${STATUSES.join(", ")}`);
  const limit = readLimit(values.get("limit"), { otherwise: DEFAULT_LIMIT, most: MAX_LIMIT });
  const deployments = await daemonOf(given, io).deployments({ service: words[0], status, limit });
  io.stdout(flags.has("json") ? toJson({ deployments }) : deploymentTable(deployments, io.now()));
  return EXIT.succeeded;
};

export function deploymentTable(deployments: readonly DeploymentAnswer[], now: number): string {
  return table(
    ["DEPLOYMENT", "CREATED", "SERVICE", "IMAGE", "STATUS", "TOOK"],
    deployments.map((deployment) => [
      deployment.id,
      localTime(deployment.created_at),
      nameOf(deployment),
      imageOf(deployment),
      deployment.status,
      tookOf(deployment, now),
    ]),
  );
}

/** Images that the caller named. */
function imageOf({ kind, to, services }: DeploymentAnswer): string {
  const images = new Set(services.flatMap(({ image }) => (image === null ? [] : [shortImage(image)])));
  if (images.size > 0) return [...images].join(", ");
  if (kind === "deploy") return "(of the file)";
  return to === null ? "(the version before)" : `(version of ${to})`;
}

function tookOf({ started_at, ended_at }: DeploymentAnswer, now: number): string {
  if (started_at === null) return "";
  return duration((ended_at === null ? now : Date.parse(ended_at)) - Date.parse(started_at));
}
