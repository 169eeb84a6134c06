import type { Clock } from "../core/ports.ts";
import type { History } from "../core/history.ts";
import { Secret } from "../core/secret.ts";

const LIFETIME_MS = 24 * 3_600_000;
const BYTES = 32;
const FORM = /^[A-Za-z0-9_-]{43}$/;

/** Keys that read one deployment and its events for a day, and nothing else. */
export type ReadKeys = {
  /** A new key, known to nobody else: only its SHA-256 is stored. */
  grant(deployment: string): Secret;
  /** Whether a bearer token is such a key, of this deployment, and not too old. */
  opens(token: string, deployment: string): boolean;
};

/** They have 256 bits of chance, so a plain hash is enough, and finding it by index tells nobody anything by its timing. */
export function createReadKeys(store: Pick<History, "saveReadKey" | "readKey">, clock: Clock): ReadKeys {
  return {
    grant(deployment) {
      const key = crypto
        .getRandomValues(new Uint8Array(BYTES))
        .toBase64({ alphabet: "base64url", omitPadding: true });
      store.saveReadKey({ hash: hashOf(key), deployment, expiresAt: clock.now() + LIFETIME_MS });
      return new Secret(key);
    },
    opens(token, deployment) {
      if (!FORM.test(token)) return false;
      const key = store.readKey(hashOf(token));
      return key !== undefined && key.deployment === deployment && clock.now() < key.expiresAt;
    },
  };
}

function hashOf(key: string): string {
  return new Bun.CryptoHasher("sha256").update(key).digest("hex");
}
