import type { Clock } from "../core/ports.ts";
import type { History, ReadKey } from "../core/history.ts";
import { Secret } from "../core/secret.ts";

const LIFETIME_MS = 24 * 3_600_000;
const BYTES = 32;
const FORM = /^[A-Za-z0-9_-]{43}$/;

/** Keys that read one deployment and its events for a day, and nothing else. */
export type ReadKeys = {
  /** A new key, known to nobody else: only its SHA-256 is stored. Undefined when its deployment has too many. */
  grant(deployment: string, shows: Shown): Secret | undefined;
  /** What a bearer token shows that is such a key, of this deployment, and not too old. */
  opens(token: string, deployment: string): Shown | undefined;
};

type Shown = Pick<ReadKey, "output">;

/** They have 256 bits of chance, so a plain hash is enough, and finding it by index tells nobody anything by its timing. */
export function createReadKeys(store: Pick<History, "saveReadKey" | "readKey">, clock: Clock): ReadKeys {
  return {
    grant(deployment, { output }) {
      const key = crypto
        .getRandomValues(new Uint8Array(BYTES))
        .toBase64({ alphabet: "base64url", omitPadding: true });
      const expiresAt = clock.now() + LIFETIME_MS;
      const isKept = store.saveReadKey({ hash: hashOf(key), deployment, output, expiresAt });
      return isKept ? new Secret(key) : undefined;
    },
    opens(token, deployment) {
      if (!FORM.test(token)) return undefined;
      const key = store.readKey(hashOf(token));
      return key?.deployment === deployment && clock.now() < key.expiresAt
        ? { output: key.output }
        : undefined;
    },
  };
}

function hashOf(key: string): string {
  return new Bun.CryptoHasher("sha256").update(key).digest("hex");
}
