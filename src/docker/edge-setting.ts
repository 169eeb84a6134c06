import { resolve } from "node:path";
import { z } from "zod";

import type { EdgeSettings } from "../core/edge-settings.ts";
import { parseImage } from "../core/image.ts";
import { withoutEscapes } from "./escapes.ts";
import { ROUTE_KEYS, RouteSetting } from "./route-setting.ts";
import { type SettingProblem, settingProblems } from "./setting-problems.ts";
import { PortSetting } from "./setting-values.ts";
import { exactText, mustBe, refusing, written } from "./written.ts";

const folder = written((value, refuse) => {
  const path = exactText(value, refuse);
  if (path === undefined) return undefined;
  if (path === "") return refuse("must be a folder, not an empty text");
  if (path.startsWith("~")) return refuse("must be written out: ~ is nobody's home here");
  // oxlint-disable-next-line no-control-regex
  if (/[\0-\x1f\x7f]/.test(path)) return refuse("must not have line breaks or other control characters");
  return path;
});

const Edge = z
  .strictObject(
    {
      http: PortSetting,
      https: PortSetting,
      certs: folder,
      acme_challenges: folder,
      image: written((value, refuse) => {
        const isImage = typeof value === "string" && parseImage(value) !== undefined;
        return isImage ? value : refuse("is not an image reference");
      }),
      webhook: RouteSetting.optional(),
    },
    { error: mustBe("a mapping") },
  )
  .transform((edge, context) => {
    // Next to an unknown key nothing of this would be the reason.
    if (context.issues.length > 0) return edge;
    const { http, https, certs } = edge;
    const refuse = refusing(context);
    if (http === undefined && https === undefined)
      refuse("listens nowhere: add http: 80, https: 443 or both");
    if (http !== undefined && http === https) refuse("must be another port than http", "https");
    if (https !== undefined && certs === undefined)
      refuse("needs certificates: name their folder in certs", "https");
    if (https === undefined && certs !== undefined)
      refuse("is for https, and there is no port for it: add https: 443", "certs");
    return edge;
  });

const AtTheTop = z.strictObject({ edge: Edge.optional() }, { error: mustBe("a mapping with edge") });

const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": AtTheTop.keyof().options,
  edge: ["http", "https", "certs", "acme_challenges", "image", "webhook"],
  "edge.webhook": ROUTE_KEYS,
};

/**
 * The `x-deployer` at the top of the compose file, as `docker compose config` prints it.
 * @param folder what its relative paths are relative to
 */
export function readEdge(
  value: unknown,
  folder: string,
): { edge: EdgeSettings | undefined } | { problems: SettingProblem[] } {
  const { data, error } = AtTheTop.safeParse(withoutEscapes(value ?? {}));
  if (data === undefined) return { problems: settingProblems(error, KEYS) };
  if (data.edge === undefined) return { edge: undefined };
  const { http, https, certs, acme_challenges, image, webhook } = data.edge;
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(folder, path));
  return {
    edge: { http, https, certs: absolute(certs), challenges: absolute(acme_challenges), image, webhook },
  };
}
