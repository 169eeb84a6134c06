import { z } from "zod";

import type { HealthRequest } from "../core/settings.ts";
import { exactText, kindOf, mustBe, refusing, textOf, written } from "./written.ts";

export const HEALTH_KEYS = ["path", "host", "headers", "status"];

const ANY_GOOD_STATUS = { from: 200, to: 399 };
const LOWEST_STATUS = 200;
const HIGHEST_STATUS = 599;
const LONGEST_PATH = 2_048;

/** What an HTTP/1.1 request target may hold without being encoded by somebody on the way; `#` is never sent. */
const PATH = /^\/[!-~]*$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?$/;
/** `token` of RFC 9110, section 5.6.2. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** `field-value` of RFC 9110, section 5.5, without what is obsolete. */
const HEADER_VALUE = /^(?:[!-~](?:[\t -~]*[!-~])?)?$/;
/** They say how the request itself is sent, which is not for the compose file to say (RFC 9110, section 7.6.1). */
const OF_THE_CONNECTION = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const Headers = z
  .record(z.string(), z.unknown(), { error: mustBe("a mapping of names to values") })
  .transform((headers, context) => {
    const refuse = refusing(context);
    const read = Object.entries(headers).map(([name, value], index, all) => {
      const problem = headerProblem(
        name,
        all.slice(0, index).map(([earlier]) => earlier),
      );
      if (problem !== undefined) refuse(problem, name);
      const text = exactText(value, (why) => refuse(why, name)) ?? "";
      if (!HEADER_VALUE.test(text)) refuse("must be printable ASCII, without spaces around it", name);
      return [name, text];
    });
    return Object.fromEntries(read) as Record<string, string>;
  });

/** `/path`, or a mapping with `path` and what else the request needs. */
export const HealthSetting = z.preprocess(
  (value) => (typeof value === "string" ? { path: value } : value),
  z
    .strictObject(
      {
        path: z.unknown().transform((value, context): string => {
          const problem = pathProblem(value);
          if (problem !== undefined) refusing(context)(problem);
          return String(value);
        }),
        host: written((value, refuse) =>
          typeof value === "string" && HOST.test(value)
            ? value
            : refuse("must be a host name or an address, with :port if need be"),
        ),
        headers: Headers.optional(),
        status: written(
          (value, refuse) =>
            statusRange(value) ??
            refuse(
              `must be a status from ${LOWEST_STATUS} to ${HIGHEST_STATUS}, or a range of them: 200-399`,
            ),
        ),
      },
      { error: mustBe("a path, or a mapping with one") },
    )
    .transform(({ path, host, headers = {}, status = ANY_GOOD_STATUS }): HealthRequest => ({
      path,
      host,
      headers,
      status,
    })),
);

function pathProblem(value: unknown): string | undefined {
  if (typeof value !== "string") return `must be a path, as in /health, not ${kindOf(value)}`;
  if (/^https?:/i.test(value)) return "must be the path alone, as in /health: the port is x-deployer.port";
  if (!value.startsWith("/")) return "must begin with a slash, as in /health";
  if (value.includes("#")) return "must not have a #: what follows is never sent";
  if (!PATH.test(value)) return "must be printable ASCII without spaces: write the rest as %20";
  if (value.length > LONGEST_PATH) return `must not be longer than ${LONGEST_PATH} characters`;
  return undefined;
}

function headerProblem(name: string, earlier: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  if (!HEADER_NAME.test(name)) return "is not the name of a header";
  if (lower === "host") return "is not set here: write x-deployer.health.host";
  if (OF_THE_CONNECTION.has(lower)) return "is about the connection, and not for you to set";
  if (earlier.some((other) => other.toLowerCase() === lower)) return "is there twice";
  return undefined;
}

/** `204`, `"204"` or `"200-299"`. */
function statusRange(value: unknown): HealthRequest["status"] | undefined {
  const [, from, to = from] = /^(\d{3})(?:\s*-\s*(\d{3}))?$/.exec(textOf(value)) ?? [];
  const range = { from: Number(from), to: Number(to) };
  const isRange = LOWEST_STATUS <= range.from && range.from <= range.to && range.to <= HIGHEST_STATUS;
  return isRange ? range : undefined;
}
