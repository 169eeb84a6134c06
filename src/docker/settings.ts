import { z } from "zod";

import { parseImage } from "../core/image.ts";
import { DEFAULT_SETTINGS, type Settings } from "../core/settings.ts";
import { parseDuration } from "./duration.ts";
import { HealthSetting } from "./health-setting.ts";
import { nearest } from "./nearest.ts";
import { exactText, mustBe, refusing, textOf, written } from "./written.ts";

const STRATEGIES = ["auto", "rolling", "recreate"] as const;
const HIGHEST_PORT = 65_535;
const LONGEST_MS = 3_600_000;
const COMMANDS = 'a list of commands, each a list of words: [["npm", "run", "migrate"]]';
const WORDS = 'a command as a list of words: ["nginx", "-s", "quit"]';
/** Keys that the plan has and the program does not. */
const NOT_YET = new Set(["drain", "route"]);

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
    port: written((value, refuse) => {
      const port = /^\d{1,5}$/.test(textOf(value)) ? Number(value) : 0;
      return 1 <= port && port <= HIGHEST_PORT ? port : refuse(`must be a port from 1 to ${HIGHEST_PORT}`);
    }),
    health: HealthSetting.optional(),
    timeout: duration({ mayBeZero: false }),
    watch: duration({ mayBeZero: true }),
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
  },
  { error: mustBe("a mapping") },
);

const KEYS = WrittenSettings.keyof().options;
const HEALTH_KEYS = ["path", "host", "headers", "status"];

/**
 * The `x-deployer` of a service, as `docker compose config` prints it.
 * @param networkMode of the service, for what cannot go together with it
 * @returns the settings, or everything that is wrong with them: `x-deployer.health.status: …`
 */
export function readSettings(
  value: unknown,
  networkMode: string | undefined,
): { settings: Settings } | { problems: string[] } {
  const meant = withoutEscapes(value ?? {});
  const { data, error } = WrittenSettings.safeParse(meant);
  const problems = [...(error?.issues ?? []).flatMap(complaints), ...contradictions(meant, networkMode)];
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
    },
  };
}

/** Compose doubles each `$` of what it prints, so that it is read again as it is. */
function withoutEscapes(value: unknown): unknown {
  if (typeof value === "string") return value.replaceAll("$$", () => "$");
  if (Array.isArray(value)) return value.map(withoutEscapes);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, nested]) => [withoutEscapes(key), withoutEscapes(nested)]),
  );
}

function duration({ mayBeZero }: { mayBeZero: boolean }) {
  return written((value, refuse) => {
    if (typeof value === "number" && value > 0 && Number.isFinite(value))
      return refuse(`needs a unit: write ${value}s for seconds`);
    const text = textOf(value);
    const milliseconds = text === "0" ? 0 : parseDuration(text);
    if (milliseconds === undefined) return refuse("must be a duration, as in 10s, 1m30s or 500ms");
    if (milliseconds > LONGEST_MS) return refuse("must not be longer than 1h");
    if (milliseconds === 0 && !mayBeZero) return refuse("must be longer than 0");
    return milliseconds;
  });
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
function contradictions(value: unknown, networkMode: string | undefined): string[] {
  if (typeof value !== "object" || value === null) return [];
  const asksHealth = Object.hasOwn(value, "health");
  const found: string[] = [];
  if (Object.hasOwn(value, "port") && !asksHealth)
    found.push(
      "x-deployer.port: is the port that health is asked on, and there is no health: add health: /path",
    );
  if (asksHealth && networkMode !== undefined && /^none$|^service:|^container:/.test(networkMode))
    found.push(
      `x-deployer.health: with network_mode: ${networkMode} the container has no address to be asked at: give it a healthcheck`,
    );
  return found;
}

function complaints(issue: z.core.$ZodIssue): string[] {
  if (issue.code !== "unrecognized_keys") return [`${place(issue.path)}: ${issue.message}`];
  const known = issue.path.length === 0 ? KEYS : HEALTH_KEYS;
  return issue.keys.map((key) => `${place([...issue.path, key])}: ${unknownKey(key, known)}`);
}

function unknownKey(key: string, known: readonly string[]): string {
  if (NOT_YET.has(key)) return "is not built yet";
  const meant = nearest(key, known);
  return meant === undefined
    ? `unknown key, there are ${known.join(", ")}`
    : `unknown key, meant is perhaps ${meant}`;
}

function place(path: readonly PropertyKey[]): string {
  return ["x-deployer", ...path.map(String)]
    .map((key) => (/^[\w-]+$/.test(key) ? key : JSON.stringify(key)))
    .join(".");
}
