import { DeployerError, errorCode, publicMessage } from "../core/errors.ts";
import { parseImage, tagOrDigest, type ImageReference } from "../core/image.ts";
import type { Credential, Engine, PullOptions, PullProgress, Registry } from "../core/engine.ts";
import type { Clock, Log } from "../core/ports.ts";
import { isRateLimit } from "./failures.ts";
import { createPullReport } from "./pull-report.ts";

/** Before the second and the third attempt. */
const PAUSES_MS = [1_000, 3_000] as const;
const RATE_LIMIT_PAUSES_MS = [10_000, 30_000] as const;

/** A credential that can be fetched anew: the ECR token. */
type RenewableCredential = {
  /** The one to use now; undefined when it was dropped and nothing has renewed it since. */
  credential(): Promise<Credential | undefined>;
  renew(): Promise<Credential>;
};

export type RegistryOptions = {
  engine: Pick<Engine, "imageId" | "resolveDigest" | "pull">;
  clock: Clock;
  log: Log;
  /** `REGISTRY_AUTH=ecr`: this registry gets this credential, and no other registry does. */
  ecr?: { domain: string; tokens: RenewableCredential };
  /** The operator's own credentials for all other registries; absent for `REGISTRY_AUTH=none`. */
  docker?: (registry: string) => Promise<Credential | undefined>;
};

/** Picks the credential by registry, and retries what a retry can heal: a refused ECR token once, trouble on the way twice. */
export function createRegistry(options: RegistryOptions): Registry {
  const { engine, clock, log, ecr } = options;
  const ecrRegistry = ecr && (parseImage(`${ecr.domain}/any`)?.registry ?? ecr.domain);

  function credentialFor(image: ImageReference): Promise<Credential | undefined> {
    if (ecr !== undefined && image.registry === ecrRegistry) return ecr.tokens.credential();
    return options.docker?.(image.registry) ?? Promise.resolve(undefined);
  }

  async function attempts<T>(
    image: ImageReference,
    text: string,
    signal: AbortSignal,
    attempt: (credential: Credential | undefined) => Promise<T>,
    retries: number = PAUSES_MS.length,
  ): Promise<T> {
    const fields = { image: text, registry: image.registry };
    const tokens = ecr !== undefined && image.registry === ecrRegistry ? ecr.tokens : undefined;
    let wasRefused = false;
    let renewed: Credential | undefined;
    for (let failures = 0; ;) {
      signal.throwIfAborted();
      let isAsked = false;
      try {
        if (wasRefused) renewed ??= await tokens?.renew();
        const credential = renewed ?? (await credentialFor(image));
        isAsked = true;
        const result = await attempt(credential);
        if (renewed !== undefined) log.info("pull accepted after a new registry login", fields);
        return result;
      } catch (error) {
        signal.throwIfAborted();
        const reason = publicMessage(error);
        const isRefused = isAsked && errorCode(error) === "registry_denied";
        if (isRefused && tokens !== undefined && !wasRefused) {
          log.warn("pull refused by the registry; logging in again", { ...fields, reason });
          wasRefused = true;
          continue;
        }
        const pause = (isRateLimit(error) ? RATE_LIMIT_PAUSES_MS : PAUSES_MS)[failures];
        const isOver = pause === undefined || failures >= retries;
        if (errorCode(error) !== "registry_unavailable" || isOver) throw error;
        failures += 1;
        log.warn("pull failed; trying again", {
          ...fields,
          reason,
          attempt: failures,
          retryInSeconds: pause / 1000,
        });
        await clock.sleep(pause, signal);
      }
    }
  }

  async function ask(image: ImageReference, signal: AbortSignal, retries?: number): Promise<string> {
    const text = imageText(image, tagOrDigest(image));
    const attempt = (credential: Credential | undefined) => engine.resolveDigest(text, credential, signal);
    return attempts(image, text, signal, attempt, retries);
  }

  async function pull(
    image: ImageReference,
    wanted: string,
    signal: AbortSignal,
    { onProgress, platform }: PullOptions = {},
  ): Promise<void> {
    const text = imageText(image, wanted);
    if ((await engine.imageId(text)) !== undefined) {
      log.info("image is on this host already", { image: text });
      return;
    }
    const report = createPullReport(text, log, clock);
    const progress = (now: PullProgress): void => {
      report.progress(now);
      onProgress?.(now);
    };
    await attempts(image, text, signal, (credential) =>
      engine.pull(image.name, wanted, credential, progress, signal, platform),
    );
    if ((await engine.imageId(text)) === undefined) {
      throw new DeployerError("docker", `Docker pulled ${text} and yet does not have it`);
    }
    report.done();
  }

  return {
    resolve: async (image, signal) => image.digest ?? (await ask(image, signal)),
    assertThere: async (image, signal) => void (await ask(image, signal, 0)),
    pull,
  };
}

function imageText(image: ImageReference, wanted: string): string {
  return `${image.name}${wanted.includes(":") ? "@" : ":"}${wanted}`;
}
