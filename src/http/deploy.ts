import { type Deployment, nameOf } from "../core/deployment.ts";
import { errorCode } from "../core/errors.ts";
import { assertIsOwnRun, assertMayAsk, maySeeOutput } from "../core/permissions.ts";
import { type DeployRequest, parseRequest, parseRollback } from "../core/request.ts";
import { prefersEvents } from "./accept.ts";
import { authenticateWithBody } from "./authenticate.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { deploymentJson } from "./deployment-json.ts";
import { failureText } from "./failure.ts";
import { streamEvents } from "./events.ts";
import { repeatKeys } from "./idempotency.ts";
import { parsePrefer, type Preferences } from "./prefer.ts";
import { reply, replyError, updateFailed } from "./reply.ts";
import { waitForEnd } from "./wait.ts";

/** `POST /deploy`: services get the images that the body or the compose file names. */
export function postDeploy(c: HttpContext, daemon: Daemon): Promise<Response> {
  return postRequest(c, daemon, parseRequest);
}

/** `POST /rollback`: a service goes back to what an earlier deployment made of it, image and configuration. */
export function postRollback(c: HttpContext, daemon: Daemon): Promise<Response> {
  return postRequest(c, daemon, parseRollback);
}

/**
 * The token first, then the body, then whether its rules cover that, then the deployment. The reply tells how it ended, or
 * is a 202 when the caller asked not to wait that long (`Prefer`); a repeated request (the token's `jti`,
 * `Idempotency-Key`) is answered as the first one was. With
 * `Accept: application/json`: the deployment, or `{"error":{"code","message"},"deployment":{…}}` when it did not succeed;
 * with `Accept: text/event-stream` its events as they come, then the deployment. `Deployer-Read` is a key to read it for
 * a day.
 */
async function postRequest(
  c: HttpContext,
  daemon: Daemon,
  parse: (body: Uint8Array) => DeployRequest,
): Promise<Response> {
  const { caller, body } = await authenticateWithBody(c, daemon);
  const { issuer, may } = caller;
  const keys = repeatKeys(c, caller, body);
  const request = parse(body);
  assertMayAsk(may, request);
  assertIsOwnRun(request.run, caller);
  const accepted = await daemon.submit(request, issuer, keys);
  const seesOutput = maySeeOutput(may, accepted);
  c.header("Deployer-Deployment", accepted.id);
  offerReadKey(c, daemon, accepted.id, seesOutput);
  if (prefersEvents(c.req.header("Accept")))
    return streamEvents(c, daemon, { id: accepted.id, after: 0, seesOutput });

  const preferences = parsePrefer(c.req.header("Prefer"));
  const seconds = preferences.wait ?? (preferences.respondAsync ? 0 : undefined);
  const ended = seconds === 0 ? undefined : await endOf(c, daemon, accepted, seconds);
  return ended === undefined
    ? replyAccepted(c, accepted, preferences, seesOutput)
    : replyEnded(c, ended, preferences, seesOutput);
}

/** The deployment runs already, so a key that cannot be stored is no reason to answer with an error. */
function offerReadKey(c: HttpContext, daemon: Daemon, id: string, output: boolean): void {
  try {
    const key = daemon.grantRead(id, { output });
    if (key !== undefined) c.header("Deployer-Read", key.reveal());
  } catch (error) {
    daemon.log.warn("no key to read the deployment could be given", { deployment: id, error });
  }
}

/** When the daemon stops first, the caller is told where the answer will be. */
async function endOf(
  c: HttpContext,
  daemon: Daemon,
  { id }: Deployment,
  seconds: number | undefined,
): Promise<Deployment | undefined> {
  try {
    return await waitForEnd(c, daemon, id, seconds);
  } catch (error) {
    if (errorCode(error) === "shutting_down") c.header("Location", locationOf(id));
    throw error;
  }
}

function replyAccepted(
  c: HttpContext,
  deployment: Deployment,
  { respondAsync, wait }: Preferences,
  seesOutput: boolean,
): Response {
  c.header("Location", locationOf(deployment.id));
  const applied = [respondAsync ? "respond-async" : "", wait === undefined ? "" : `wait=${wait}`];
  c.header("Preference-Applied", applied.filter((preference) => preference !== "").join(", "));
  return reply(c, 202, `deployment ${deployment.id} accepted`, deploymentJson(deployment, seesOutput));
}

function replyEnded(
  c: HttpContext,
  deployment: Deployment,
  { wait }: Preferences,
  seesOutput: boolean,
): Response {
  if (wait !== undefined) c.header("Preference-Applied", `wait=${wait}`);
  const json = deploymentJson(deployment, seesOutput);
  if (deployment.status === "succeeded") {
    const services = `service${deployment.parts.length === 1 ? "" : "s"} ${nameOf(deployment)}`;
    return reply(c, 200, `${deployment.kind} request successful for ${services}`, json);
  }
  if (deployment.status === "superseded") {
    return replyError(c, 409, { code: "superseded", message: deployment.reason }, { deployment: json });
  }
  const error = { code: deployment.code ?? "internal", message: updateFailed(deployment.reason) };
  return reply(c, 500, failureText(deployment, seesOutput), { error, deployment: json });
}

function locationOf(id: string): string {
  return `/deployments/${id}`;
}
