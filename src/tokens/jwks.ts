import { createPublicKey } from "node:crypto";

import { createRemoteJWKSet, customFetch, type FetchImplementation, type JWK } from "jose";

import { DeployerError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { type PublicKey, publicKeyOf } from "./keys.ts";

/** Keys older than this are fetched anew when a token needs one: a key that was withdrawn is not believed for ever. */
const FRESH_FOR_MS = 10 * 60_000;
/** Between two fetches, whatever became of the first and whoever asks: what was not there is not there for so long. */
const COOLDOWN_MS = 30_000;
/** How long the last good keys count while their issuer cannot be reached. */
const KEPT_FOR_MS = 24 * 3_600_000;
const FETCH_WITHIN_MS = 5_000;
const MAX_BYTES = 1024 * 1024;

/** The keys of an issuer that signs with RS256 (RFC 7517), at an address of our own choice. */
export type KeySet = {
  /** Those of this id. None: no such key is known, and the issuer has been asked for it within half a minute. */
  find(kid: string): Promise<readonly PublicKey[]>;
  /**
   * So that the first token need not wait. It never throws: without keys tokens are refused until there are some.
   * @returns what is wrong, if the last fetch failed
   */
  prefetch(): Promise<string | undefined>;
};

export type KeySetOptions = {
  /** `https:` only. */
  url: string;
  log: Pick<Log, "info" | "warn">;
  fetch?: FetchImplementation;
  /** Milliseconds of a clock that is never set back. */
  now?: () => number;
};

/**
 * jose fetches (one request at a time, none beyond five seconds, no redirects), and reads what comes. When it is asked is
 * decided here: its own pause between fetches begins with the last one that went well, so that an issuer that is down
 * would be asked for every token.
 */
export function createKeySet({
  url,
  log,
  fetch = fetchOverHttps,
  now = () => performance.now(),
}: KeySetOptions): KeySet {
  const remote = createRemoteJWKSet(new URL(url), {
    timeoutDuration: FETCH_WITHIN_MS,
    [customFetch]: async (target, options) => limited(await fetch(target, options)),
  });
  let keys: ReadonlyMap<string, readonly PublicKey[]> = new Map();
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let asking: Promise<void> | undefined;
  let problem: string | undefined;

  return {
    async find(kid) {
      const known = usable(kid);
      if (known.length > 0 && now() - fetchedAt < FRESH_FOR_MS) return known;
      await refresh();
      return usable(kid);
    },
    async prefetch() {
      await refresh();
      return problem;
    },
  };

  function usable(kid: string): readonly PublicKey[] {
    return now() - fetchedAt < KEPT_FOR_MS ? (keys.get(kid) ?? []) : [];
  }

  async function refresh(): Promise<void> {
    if (asking === undefined && now() - askedAt < COOLDOWN_MS) return;
    asking ??= ask().finally(() => (asking = undefined));
    await asking;
  }

  async function ask(): Promise<void> {
    askedAt = now();
    try {
      await remote.reload();
      const fresh = keysById(remote.jwks()?.keys ?? []);
      if (fresh.size === 0) throw new DeployerError("config", "the key set has no key for RS256 signatures");
      if (problem !== undefined || !hasSameIds(fresh, keys))
        log.info("keys of an issuer fetched", { url, kids: [...fresh.keys()] });
      keys = fresh;
      fetchedAt = askedAt;
      problem = undefined;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== problem)
        log.warn("keys of an issuer cannot be fetched; those known stay in use for a day", {
          url,
          reason,
          kids: [...keys.keys()],
        });
      problem = reason;
    }
  }
}

/** RSA keys of 2048 bits and more, for signatures. The algorithm is ours: a key that names none is one for RS256 here, one of another is none. */
function keysById(jwks: readonly JWK[]): Map<string, PublicKey[]> {
  const byId = new Map<string, PublicKey[]>();
  for (const jwk of jwks) {
    const key = readKey(jwk);
    if (key === undefined || jwk.kid === undefined) continue;
    byId.set(jwk.kid, [...(byId.get(jwk.kid) ?? []), key]);
  }
  return byId;
}

function readKey(jwk: JWK): PublicKey | undefined {
  if (jwk.kty !== "RSA" || jwk.use !== "sig" || (jwk.alg ?? "RS256") !== "RS256") return undefined;
  try {
    return publicKeyOf(
      createPublicKey({ key: { kty: "RSA", n: jwk.n ?? "", e: jwk.e ?? "" }, format: "jwk" }),
    );
  } catch {
    return undefined;
  }
}

function hasSameIds(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((kid) => b.has(kid));
}

const fetchOverHttps: FetchImplementation = async (url, options) => {
  if (!url.startsWith("https:")) throw new DeployerError("config", `${url} is not https`);
  return await fetch(url, options);
};

/** The answer, if it is not larger than any key set. It is counted as it comes, unpacked. */
async function limited(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new DeployerError("config", `the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status });
}
