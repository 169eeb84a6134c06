import { z } from "zod";

import { STATUSES } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import type { DeploymentQuery, DeploymentSummary } from "../core/history.ts";
import { readableBy } from "../core/permissions.ts";
import { authenticate } from "./authenticate.ts";
import type { HttpContext } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { summaryJson } from "./deployment-json.ts";
import { replyJson } from "./reply.ts";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;
const PLACE = /^(\d{1,15})-([0-9A-Za-z-]{1,64})$/;

const ALLOWED = `service=<name>, status=${STATUSES.join("|")}, limit=1 to ${MAX_LIMIT} (${DEFAULT_LIMIT} if not given), before=<"next" of the page before>; each at most once`;

const Query = z.strictObject({
  service: z.string().min(1).max(255).optional(),
  status: z.enum(STATUSES).optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= MAX_LIMIT)
    .optional(),
  before: z.string().regex(PLACE).transform(parsePlace).optional(),
});

/** `GET /deployments`: `{"deployments":[…],"next":…}`, those that the caller may read, newest first; `next` gives the following page, null on the last. */
export async function listDeployments(c: HttpContext, daemon: Daemon): Promise<Response> {
  const { may } = await authenticate(c, daemon);
  const query = { ...parseQuery(c.req.queries()), readable: readableBy(may) };
  // One more than wanted tells whether there is a next page.
  const found = daemon.list({ ...query, limit: query.limit + 1 });
  const page = found.slice(0, query.limit);
  const last = page.at(-1);
  return replyJson(c, 200, {
    deployments: page.map(summaryJson),
    next: last === undefined || found.length === page.length ? null : placeOf(last),
  });
}

function parseQuery(given: Record<string, string[]>): Omit<DeploymentQuery, "readable"> {
  const isTwice = Object.values(given).some((values) => values.length > 1);
  const single = Object.fromEntries(Object.entries(given).map(([name, [value]]) => [name, value]));
  const parsed = isTwice ? undefined : Query.safeParse(single);
  if (parsed?.success !== true) throw new DeployerError("invalid", `allowed are ${ALLOWED}`);
  const { service, status, limit = DEFAULT_LIMIT, before } = parsed.data;
  return { service, status, limit, before };
}

/** A page begins after a place in time, not after a row: that may be forgotten meanwhile. */
function placeOf({ createdAt, id }: DeploymentSummary): string {
  return `${createdAt}-${id}`;
}

function parsePlace(text: string): { createdAt: number; id: string } {
  const [, createdAt = "", id = ""] = PLACE.exec(text) ?? [];
  return { createdAt: Number(createdAt), id };
}
