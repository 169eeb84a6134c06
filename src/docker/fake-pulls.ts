import { parseImage, type ImageReference } from "../core/image.ts";
import type { Credential, Engine } from "../core/engine.ts";
import type { Clock, Log } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { createRegistry, type RegistryOptions } from "./registry.ts";

/** For tests of the registry: an engine whose pulls end as told, and a clock that passes only when somebody sleeps. */
export const DIGEST = `sha256:${"3".repeat(64)}`;
export const DOMAIN = "123456789012.dkr.ecr.us-west-2.amazonaws.com";
export const NEVER = new AbortController().signal;

export function image(text: string): ImageReference {
  const parsed = parseImage(text);
  if (parsed === undefined) throw new Error(`bad image in a test: ${text}`);
  return parsed;
}

export function credential(name: string): Credential {
  return { username: name, password: new Secret("pw"), server: "any" };
}

export type Setup = {
  /** What each attempt ends with; undefined or nothing left: success. */
  failures?: (Error | undefined)[];
  local?: string[];
  renewal?: Error;
  options?: Partial<RegistryOptions>;
};

export function setUp({ failures = [], local = [], renewal, options = {} }: Setup = {}) {
  const images = new Set(local);
  const tried: (string | undefined)[] = [];
  const pulled: string[] = [];
  const pauses: number[] = [];
  const logged: string[] = [];
  let now = 0;
  let renewals = 0;

  function attempt(with_: Credential | undefined): void {
    tried.push(with_?.username);
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
  }
  const engine = {
    imageId: (text) => Promise.resolve(images.has(text) ? "sha256:id" : undefined),
    resolveDigest: async (_text, with_) => {
      attempt(with_);
      return DIGEST;
    },
    pull: async (repository, tagOrDigest, with_, progress) => {
      attempt(with_);
      for (let step = 1; step <= 10; step += 1) {
        now += 500;
        progress({
          downloadedBytes: step * 100,
          unpackedBytes: 0,
          totalBytes: 1_000,
          layers: 2,
          layersDone: step === 10 ? 2 : 0,
        });
      }
      pulled.push(`${repository} ${tagOrDigest}`);
      images.add(`${repository}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`);
    },
  } satisfies Pick<Engine, "imageId" | "resolveDigest" | "pull">;
  const clock: Clock = {
    now: () => now,
    sleep(milliseconds) {
      pauses.push(milliseconds);
      now += milliseconds;
      return Promise.resolve();
    },
  };
  const note = (message: string) => void logged.push(message);
  const log: Log = { debug: note, info: note, warn: note, error: note, fatal: note };
  const tokens = {
    credential: () => Promise.resolve(credential("ecr")),
    renew: () => {
      renewals += 1;
      return renewal === undefined ? Promise.resolve(credential(`ecr-${renewals}`)) : Promise.reject(renewal);
    },
  };
  const docker = (registry: string) => Promise.resolve(credential(`docker for ${registry}`));
  const registry = createRegistry({
    engine,
    clock,
    log,
    ecr: { domain: DOMAIN, tokens },
    docker,
    ...options,
  });
  return { registry, tried, pulled, pauses, logged, renewals: () => renewals };
}

export const WEB = image(`${DOMAIN}/web:v1`);
