import type { Permissions } from "../core/caller.ts";
import { type Deployment, hasEnded } from "../core/deployment.ts";
import { DeployerError, errorCode } from "../core/errors.ts";
import { mayRead, maySeeOutput } from "../core/permissions.ts";
import { authenticateReader } from "./authenticate.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { deploymentJson } from "./deployment-json.ts";
import { parsePrefer } from "./prefer.ts";
import { replyJson } from "./reply.ts";
import { waitForEnd } from "./wait.ts";

/** `GET /deployments/{id}`: 200 with the deployment as it is, or as it has ended within `Prefer: wait=N` seconds. */
export async function getDeployment(c: HttpContext, daemon: Daemon): Promise<Response> {
  const id = c.req.param("id") ?? "";
  const may = await authenticateReader(c, daemon, id);
  const found = readable(id, may, daemon);
  const json = (deployment: Deployment) => deploymentJson(deployment, maySeeOutput(may, deployment));
  const { wait } = parsePrefer(c.req.header("Prefer"));
  if (wait === undefined) return replyJson(c, 200, json(found));
  const ended = hasEnded(found) ? found : await endOrStop(c, daemon, id, wait);
  c.header("Preference-Applied", `wait=${wait}`);
  return replyJson(c, 200, json(ended ?? daemon.find(id) ?? found));
}

/** Errors: `not_found`, in the same words for what is not there and for what may not be read. */
export function readable(id: string, may: Permissions, daemon: Daemon): Deployment {
  const found = daemon.find(id);
  if (found !== undefined && mayRead(may, found)) return found;
  throw new DeployerError("not_found", `unknown deployment ${JSON.stringify(id)}`);
}

/** Whoever asks how a deployment is gets an answer also when the daemon stops: it still waits. */
async function endOrStop(
  c: HttpContext,
  daemon: Daemon,
  id: string,
  wait: number,
): Promise<Deployment | undefined> {
  try {
    return await waitForEnd(c, daemon, id, wait);
  } catch (error) {
    if (errorCode(error) === "shutting_down") return undefined;
    throw error;
  }
}
