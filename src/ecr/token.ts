import { publicMessage } from "../core/errors.ts";
import type { Credential } from "../core/engine.ts";
import type { Clock, Log } from "../core/ports.ts";
import { createAuthorize, type Authorization } from "./authorization.ts";

/** What a token is taken to live when ECR does not say, or says a time that is past. ECR's own is twelve hours. */
const ASSUMED_LIFE_MS = 12 * 60 * 60_000;
/** A pull may take long: with less than this left it starts with a new token. */
const ENOUGH_LEFT_MS = 60 * 60_000;
const MIN_REFRESH_INTERVAL_MS = 30_000;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 15 * 60_000;
/** The clock is looked at this often at least, so that a suspended or corrected host does not miss the time. */
const LONGEST_SLEEP_MS = 60_000;

type EcrTokenState =
  { ok: true; /** Milliseconds since the epoch. */ expiresAt: number } | { ok: false; reason: string };

/** The one ECR credential of the daemon, in memory only. */
export type EcrTokens = {
  /**
   * The credential to use now. Fetched if there never was one, refreshed first when little of its life is left (a refresh
   * that fails leaves the old one); undefined from `drop()` until `renew()`. Errors: those of `renew()`.
   */
  credential(): Promise<Credential | undefined>;
  /** Logs in anew; callers at the same time share one call. Errors: `registry_denied`, `registry_unavailable`. */
  renew(): Promise<Credential>;
  /** Forgets the credential, and the one that a login under way may bring: the next pull goes without, is refused, and logs in again. */
  drop(): void;
  state(): EcrTokenState;
  /** Logs in at once, then again at every half life, until the signal aborts; never throws. */
  keepFresh(signal: AbortSignal): Promise<void>;
};

type Held = { credential: Credential; refreshAt: number; expiresAt: number };

export function createEcrTokens(options: {
  region: string;
  /** Registry the credential is for, `host[:port]`. */
  domain: string;
  clock: Clock;
  log: Log;
  authorize?: () => Promise<Authorization>;
}): EcrTokens {
  const { domain, clock, log, authorize = createAuthorize(options.region) } = options;
  let held: Held | undefined;
  let isDropped = false;
  let drops = 0;
  let pending: Promise<Credential> | undefined;
  let failures = 0;
  let retryAt = 0;
  let lastFailure = "not logged in yet";

  /** A login that `drop()` has overtaken serves those who wait for it, and changes nothing else. */
  async function login(): Promise<Credential> {
    const dropsBefore = drops;
    let fresh: Held;
    try {
      fresh = hold(await authorize(), domain, clock.now());
    } catch (error) {
      // A pull that fails in between does not put off what the background will try.
      if (drops === dropsBefore && clock.now() >= retryAt) {
        retryAt = clock.now() + Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS);
        failures += 1;
      }
      lastFailure = publicMessage(error);
      log.warn("registry login failed", {
        registry: domain,
        reason: lastFailure,
        oldCredentialKept: held !== undefined,
      });
      throw error;
    }
    if (drops !== dropsBefore) return fresh.credential;
    held = fresh;
    failures = 0;
    retryAt = 0;
    isDropped = false;
    log.info("registry login successful", {
      registry: domain,
      expiresAt: new Date(held.expiresAt).toISOString(),
    });
    return held.credential;
  }

  function renew(): Promise<Credential> {
    if (pending !== undefined) return pending;
    const started = login().finally(() => {
      if (pending === started) pending = undefined;
    });
    pending = started;
    return started;
  }

  async function credential(): Promise<Credential | undefined> {
    if (isDropped) return undefined;
    if (held === undefined) return renew();
    const current = held;
    if (!isRunningOut(current, clock.now())) return current.credential;
    return renew().catch(() => current.credential);
  }

  /** When the next login is due; undefined after `drop()`, when only a pull brings it about. */
  function dueAt(): number | undefined {
    if (isDropped) return undefined;
    if (failures > 0) return retryAt;
    return held?.refreshAt ?? 0;
  }

  async function keepFresh(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wait = (dueAt() ?? Number.POSITIVE_INFINITY) - clock.now();
      // Failures are in the log and in state(), and are tried again.
      if (wait <= 0) await renew().catch(() => undefined);
      else await clock.sleep(Math.min(wait, LONGEST_SLEEP_MS), signal).catch(() => undefined);
    }
  }

  return {
    credential,
    renew,
    keepFresh,
    drop() {
      held = undefined;
      isDropped = true;
      drops += 1;
      pending = undefined;
      log.info("registry credential dropped", { registry: domain });
    },
    state() {
      if (isDropped) return { ok: false, reason: "logged out; the next pull logs in again" };
      if (held === undefined) return { ok: false, reason: lastFailure };
      if (held.expiresAt > clock.now()) return { ok: true, expiresAt: held.expiresAt };
      return { ok: false, reason: failures > 0 ? lastFailure : "expired" };
    },
  };
}

function hold({ username, password, expiresAt }: Authorization, server: string, now: number): Held {
  const told = (expiresAt ?? 0) - now;
  const life = told > 0 ? told : ASSUMED_LIFE_MS;
  return {
    credential: { username, password, server },
    expiresAt: now + life,
    refreshAt: now + Math.max(life / 2, MIN_REFRESH_INTERVAL_MS),
  };
}

/** A token that was short-lived from the start is not refreshed at every pull. */
function isRunningOut(held: Held, now: number): boolean {
  const isDue = now >= held.refreshAt;
  return isDue && held.expiresAt - now < ENOUGH_LEFT_MS;
}
