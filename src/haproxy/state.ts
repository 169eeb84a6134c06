import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

import type { Frontage } from "../core/edge.ts";
import type { Log } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { codeOf } from "../system/folder-error.ts";

const STATE_FILE = "state.json";

const Port = z.int().min(1).max(65_535);
const Route = z.object({
  host: z.string().optional().transform(orUndefined),
  path: z.string().startsWith("/"),
});
const PlacedServer = z.object({
  container: z.string().regex(/^[A-Za-z0-9_-]+$/),
  port: Port,
  address: z.ipv4(),
});
const PlacedDirection = z.object({ serving: z.array(PlacedServer), standby: z.array(PlacedServer) });

const EdgeState = z.object({
  frontage: z
    .object({
      project: z.string(),
      settings: z.object({
        http: Port.optional().transform(orUndefined),
        https: Port.optional().transform(orUndefined),
        certs: z.string().optional().transform(orUndefined),
        challenges: z.string().optional().transform(orUndefined),
        image: z.string().optional().transform(orUndefined),
        webhook: Route.optional().transform(orUndefined),
      }),
      routes: z.record(z.string(), z.array(Route)).transform((routes) => new Map(Object.entries(routes))),
      resendAll: z
        .array(z.string())
        .default([])
        .transform((services) => new Set(services)),
    })
    .optional()
    .transform(orUndefined),
  certificates: z
    .string()
    .regex(/^[0-9a-f]+$/)
    .optional()
    .transform(orUndefined),
  directions: z
    .record(z.string(), PlacedDirection)
    .transform((directions) => new Map(Object.entries(directions))),
  nextAddress: z.int().min(0),
  runDir: z.string().optional().transform(orUndefined),
  earlier: z.array(z.string()),
});

/** A container that answers, and the address that the edge reaches it at. */
export type PlacedServer = z.infer<typeof PlacedServer>;

/** A `Direction` with the addresses. */
export type PlacedDirection = z.infer<typeof PlacedDirection>;

/** What the edge should be. Never changed in place: each change is a new one. */
export type EdgeState = {
  /** As it was last applied; undefined: there is no proxy to be. */
  frontage: Frontage | undefined;
  /** Which of the folders of certificates is in use. */
  certificates: string | undefined;
  /** By service. */
  directions: ReadonlyMap<string, PlacedDirection>;
  /** See `Proxy.addressOf`. */
  nextAddress: number;
  /** See `RunningProxy`; undefined before the first one. */
  runDir: string | undefined;
  earlier: readonly string[];
};

export const NO_STATE: EdgeState = {
  frontage: undefined,
  certificates: undefined,
  directions: new Map(),
  nextAddress: 0,
  runDir: undefined,
  earlier: [],
};

/** The state, in memory and on disk. */
export type EdgeStore = {
  state(): EdgeState;
  /** On disk when it returns. */
  change(next: EdgeState): void;
};

/** @param folder of the edge, made when there is something to keep */
export function openEdgeStore(folder: string, log: Log): EdgeStore {
  let state = readState(folder, log);
  return {
    state: () => state,
    change(next) {
      writeState(folder, next);
      state = next;
    },
  };
}

/** What was last written. A file that cannot be read counts as none, and that is said in the log. */
function readState(folder: string, log: Log): EdgeState {
  const path = join(folder, STATE_FILE);
  try {
    return EdgeState.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    if (codeOf(error) !== "ENOENT")
      log.warn("the state of the edge cannot be read: it begins anew, until the next deployments", {
        path,
        error,
      });
    return NO_STATE;
  }
}

/** For this user alone: the keys of the certificates are there. */
export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

function writeState(folder: string, state: EdgeState): void {
  makeFolder(folder);
  const { frontage, directions } = state;
  const written = {
    ...state,
    frontage: frontage && {
      ...frontage,
      routes: Object.fromEntries(frontage.routes),
      resendAll: [...frontage.resendAll],
    },
    directions: Object.fromEntries(directions),
  };
  writeFileAtomically(join(folder, STATE_FILE), `${JSON.stringify(written, undefined, 2)}\n`);
}

/** A key that may be missing in the file is there, undefined, in what is read from it. */
function orUndefined<T>(value: T | undefined): T | undefined {
  return value;
}
