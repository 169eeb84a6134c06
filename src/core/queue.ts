import { DeployerError } from "./errors.ts";
import type { InTurn } from "./ports.ts";

/** Deployments that may wait for their turn, over all services; one more is refused. */
const LIMIT = 200;

/** Someone in the line, from coming to having ended. */
type Claim = {
  services: readonly string[] | "all";
  /** The deployment it is; undefined for what nothing supersedes: upkeep, which waits for no release, and `alone`. */
  deployment: string | undefined;
  hasBegun: boolean;
  task: () => Promise<void>;
};

/**
 * One line for all services, in the order of coming. A claim begins when none before it, waiting or at work, is for one
 * of its services; so different services overlap, and one service has one task at a time.
 *
 * Upkeep does not stand behind what waits for several services, nor behind what waits for that: it may be a part of the
 * very work that they are waiting for.
 *
 * A deployment takes the place in the line of the waiting ones that it covers, so that a service never has more than one
 * waiting that another makes pointless.
 */
export class Queue {
  #line: Claim[] = [];
  #isReleased = false;

  readonly inTurn: InTurn = <T>(service: string, task: () => Promise<T>): Promise<T> => {
    const { promise, resolve } = Promise.withResolvers<T>();
    const work = async (): Promise<void> => {
      const turn = (async () => await task())();
      resolve(turn);
      await turn;
    };
    this.#line.push({ services: [service], deployment: undefined, hasBegun: false, task: work });
    this.#advance();
    return promise;
  };

  /**
   * Runs a task while nothing else is at work on any service, not even on those that the file does not have yet. What
   * comes later waits for its end. Errors: the signal's reason, when it aborts before the task has begun.
   */
  alone<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const work = async (): Promise<void> => {
      signal.removeEventListener("abort", onAbort);
      const turn = (async () => await task())();
      resolve(turn);
      await turn;
    };
    const claim: Claim = { services: "all", deployment: undefined, hasBegun: false, task: work };
    const onAbort = (): void => {
      if (claim.hasBegun) return;
      this.#remove(claim);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#line.push(claim);
    if (signal.aborted) onAbort();
    this.#advance();
    return promise;
  }

  /** Deployments may begin from now on. Until then they hold nothing up: what leads to the release may need its turn. */
  release(): void {
    this.#isReleased = true;
    this.#advance();
  }

  /** The waiting deployments that one for these services takes the place of, in the order of the line. */
  coveredBy(services: readonly string[]): string[] {
    return this.#line.filter((claim) => isCovered(claim, services)).map(({ deployment = "" }) => deployment);
  }

  /** Errors: `queue_full`, when a deployment for these services would be one too many. */
  assertRoom(services: readonly string[]): void {
    const waiting = this.#line.filter(
      (claim) => claim.deployment !== undefined && !claim.hasBegun && !isCovered(claim, services),
    );
    if (waiting.length < LIMIT) return;
    throw new DeployerError("queue_full", `${LIMIT} deployments are waiting already; try again in a minute`);
  }

  /** Takes the place of the first deployment it covers, or the last one; all others it covers leave the line. */
  enter(deployment: string, services: readonly string[], task: () => Promise<void>): void {
    const claim: Claim = { services, deployment, hasBegun: false, task };
    const place = this.#line.findIndex((other) => isCovered(other, services));
    if (place === -1) this.#line.push(claim);
    else {
      this.#line[place] = claim;
      this.#line = this.#line.filter((other) => other === claim || !isCovered(other, services));
    }
    this.#advance();
  }

  /** Takes a waiting deployment out of the line; false when it has begun, or is not there. */
  leave(deployment: string): boolean {
    const claim = this.#line.find((other) => other.deployment === deployment);
    if (claim === undefined || claim.hasBegun) return false;
    this.#remove(claim);
    return true;
  }

  #advance(): void {
    const begun = this.#line.filter(({ hasBegun }) => hasBegun);
    const waiting: Claim[] = [];
    /** Of those that wait, the ones that wait for nothing but the one service they are for. */
    const simple: Claim[] = [];
    for (const claim of this.#line) {
      if (claim.hasBegun || (!this.#isReleased && !isUpkeep(claim))) continue;
      const inTheWay = (others: Claim[]): boolean => others.some((other) => overlap(claim, other));
      if (!inTheWay(begun) && !inTheWay(isUpkeep(claim) ? simple : waiting)) {
        this.#begin(claim);
        begun.push(claim);
        continue;
      }
      if (isOfOne(claim) && !inTheWay(waiting.filter((other) => !simple.includes(other)))) simple.push(claim);
      waiting.push(claim);
    }
  }

  #begin(claim: Claim): void {
    claim.hasBegun = true;
    const leave = (): void => this.#remove(claim);
    Promise.resolve().then(claim.task).then(leave, leave);
  }

  #remove(claim: Claim): void {
    this.#line = this.#line.filter((other) => other !== claim);
    this.#advance();
  }
}

/** Of one service, by the daemon itself. */
function isUpkeep({ deployment, services }: Claim): boolean {
  return deployment === undefined && services !== "all";
}

function isOfOne({ services }: Claim): boolean {
  return services !== "all" && services.length === 1;
}

function overlap({ services: some }: Claim, { services: others }: Claim): boolean {
  if (some === "all" || others === "all") return true;
  return some.some((service) => others.includes(service));
}

function isCovered({ deployment, hasBegun, services }: Claim, by: readonly string[]): boolean {
  return deployment !== undefined && !hasBegun && services !== "all" && covers(by, services);
}

/**
 * Whether a newer deployment makes a waiting older one pointless: it is for all its services. Nothing else matters, not
 * who asked, nor whether an image was named: a deployment decides alone what its services run in the end, so both, one
 * after the other, would end as the newer one alone. (Whoever adds a kind of which that is not true, one that goes back
 * by a step from what runs, must not let it cover anything.)
 */
function covers(newer: readonly string[], older: readonly string[]): boolean {
  return older.every((service) => newer.includes(service));
}
