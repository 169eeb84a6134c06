import { z } from "zod";

import { parseImage } from "../core/image.ts";
import { DEFAULT_SETTINGS, type Settings } from "../core/settings.ts";
import { withoutEscapes } from "./escapes.ts";
import { HEALTH_KEYS, HealthSetting } from "./health-setting.ts";
import { ROUTE_KEYS, RoutesSetting } from "./route-setting.ts";
import { type SettingProblem, settingProblems } from "./setting-problems.ts";
import { durationSetting, numberSetting, PortSetting } from "./setting-values.ts";
import { exactText, mustBe, refusing, written } from "./written.ts";

const STRATEGIES = ["auto", "rolling", "recreate"] as const;
const RESENDS = ["idempotent", "all"] as const;
const MOST_HELD = 1_000_000;
const COMMANDS = 'a list of commands, each a list of words: [["npm", "run", "migrate"]]';
const WORDS = 'a command as a list of words: ["nginx", "-s", "quit"]';

const Word = z.unknown().transform((value, context): string => {
  const refuse = refusing(context);
  const word = exactText(value, refuse) ?? "";
  if (word.includes("\0")) refuse("has a NUL, which no command can be given");
  return word;
});

const Command = z
  .array(Word, { error: mustBe("a list of words") })
  .refine(([program]) => program !== undefined && program !== "", "has no program to run");

const WrittenSettings = z.strictObject(
  {
    strategy: written((value, refuse) => {
      const strategy = STRATEGIES.find((known) => known === value);
      return strategy ?? refuse("must be auto, rolling or recreate");
    }),
    port: PortSetting,
    health: HealthSetting.optional(),
    timeout: durationSetting({ mayBeZero: false }),
    watch: durationSetting({ mayBeZero: true }),
    before: z
      .unknown()
      .refine(isListOfLists, { error: `must be ${COMMANDS}`, abort: true })
      .pipe(z.array(Command))
      .optional(),
    drain_command: z
      .unknown()
      .refine(Array.isArray, { error: `must be ${WORDS}`, abort: true })
      .pipe(Command)
      .optional(),
    images: z
      .array(z.unknown().transform(repository), { error: mustBe("a list of repositories") })
      .optional(),
    shared_volumes: written((value, refuse) => {
      if (value === true || value === "true") return true;
      if (value === false || value === "false") return false;
      return refuse("must be true or false");
    }),
    route: RoutesSetting.optional(),
    drain: durationSetting({ mayBeZero: true }),
    hold: durationSetting({ mayBeZero: true }),
    hold_max: numberSetting(MOST_HELD),
    resend: written((value, refuse) => {
      const resend = RESENDS.find((known) => known === value);
      return resend ?? refuse("must be idempotent or all");
    }),
  },
  { error: mustBe("a mapping") },
);

const KEYS: Readonly<Record<string, readonly string[]>> = {
  "": WrittenSettings.keyof().options,
  health: HEALTH_KEYS,
  route: ROUTE_KEYS,
};

/**
 * The `x-deployer` of a service, as `docker compose config` prints it.
 * @param networkMode of the service, for what cannot go together with it
 * @returns the settings, or everything that is wrong with them
 */
export function readSettings(
  value: unknown,
  networkMode: string | undefined,
): { settings: Settings } | { problems: SettingProblem[] } {
  const meant = withoutEscapes(value ?? {});
  const { data, error } = WrittenSettings.safeParse(meant);
  const problems = [...settingProblems(error, KEYS), ...contradictions(meant, networkMode)];
  if (data === undefined || problems.length > 0) return { problems };
  return {
    settings: {
      strategy: data.strategy ?? DEFAULT_SETTINGS.strategy,
      port: data.port,
      health: data.health,
      timeoutMs: data.timeout,
      watchMs: data.watch ?? DEFAULT_SETTINGS.watchMs,
      before: data.before ?? DEFAULT_SETTINGS.before,
      drainCommand: data.drain_command,
      images: data.images ?? DEFAULT_SETTINGS.images,
      sharedVolumes: data.shared_volumes ?? DEFAULT_SETTINGS.sharedVolumes,
      routes: data.route ?? DEFAULT_SETTINGS.routes,
      drainMs: data.drain ?? DEFAULT_SETTINGS.drainMs,
      holdMs: data.hold ?? DEFAULT_SETTINGS.holdMs,
      holdMax: data.hold_max ?? DEFAULT_SETTINGS.holdMax,
      resend: data.resend ?? DEFAULT_SETTINGS.resend,
    },
  };
}

function isListOfLists(value: unknown): boolean {
  return Array.isArray(value) && value.every(Array.isArray);
}

function repository(value: unknown, context: z.RefinementCtx): string {
  const image = typeof value === "string" ? parseImage(value) : undefined;
  const refuse = refusing(context);
  if (image === undefined) refuse("is not an image reference");
  else if (image.tag !== undefined || image.digest !== undefined)
    refuse("allows the whole repository: write it without tag and digest");
  return String(value);
}

/** Of settings that cannot do what they say. */
function contradictions(value: unknown, networkMode: string | undefined): SettingProblem[] {
  if (typeof value !== "object" || value === null) return [];
  const has = (key: string): boolean => Object.hasOwn(value, key);
  const found: SettingProblem[] = [];
  const refuse = (key: string, why: string) => found.push({ path: ["x-deployer", key], why });
  if (has("port") && !has("health") && !has("route"))
    refuse(
      "port",
      "is the port that health is asked on and requests go to, and there is neither health nor route: add health: /path",
    );
  for (const key of ["drain", "hold", "hold_max", "resend"])
    if (has(key) && !has("route")) refuse(key, "is for services behind the edge, and there is no route");

  const hasNoAddress = networkMode !== undefined && /^none$|^service:|^container:/.test(networkMode);
  const place = `with network_mode: ${networkMode} the container has no address`;
  if (has("health") && hasNoAddress) refuse("health", `${place} to be asked at: give it a healthcheck`);
  if (has("route") && (hasNoAddress || networkMode === "host"))
    refuse("route", `${place} of its own for the edge to send requests to: remove one of them`);
  return found;
}
