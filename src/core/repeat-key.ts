/** How long a key is remembered at least. */
const KEY_LIFE_MS = 24 * 60 * 60 * 1000;
/** So much longer than its token is good: the clock of this host may be set back. */
const SKEW_MS = 60 * 1000;

/** What a request came with so that, sent again, it starts nothing a second time. */
export type RepeatKey = {
  kind: KeyKind;
  /** Whose it is; others may have the same. A token is nobody's: rules may call its issuer otherwise tomorrow. */
  owner: string;
  /** As it came. */
  key: string;
  /** What must be the same for a repetition: method, path and a hash of the body. */
  request: string;
  /** Milliseconds since the epoch: it is remembered until then, and for a day at least. */
  goodUntil: number;
};

/** `token`: its `jti`; `header`: `Idempotency-Key`. A key of one kind is none of the other. */
export type KeyKind = "token" | "header";

/** A key as it is remembered, together with the deployment that it stands for. */
export type SpentKey = Omit<RepeatKey, "goodUntil"> & {
  /** Milliseconds since the epoch. */
  expiresAt: number;
};

/** What is remembered of a key from `now` on. */
export function spend({ goodUntil, ...key }: RepeatKey, now: number): SpentKey {
  return { ...key, expiresAt: Math.ceil(Math.max(goodUntil + SKEW_MS, now + KEY_LIFE_MS)) };
}
