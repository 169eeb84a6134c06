import { type DeploymentRequest, servicesOf } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import type { InTurn } from "./ports.ts";

/** Deployments that may wait for their turn, over all services; one more is refused. */
const LIMIT = 200;

/** Someone in the line, from coming to having ended. */
type Claim = {
  services: readonly string[] | "all";
  /** The deployment it is; undefined for what nothing supersedes: upkeep, which waits for no release, and `alone`. */
  deployment: string | undefined;
  /** It has never begun, so that a newer one may take its place. */
  isNew: boolean;
  hasBegun: boolean;
  task: () => Promise<void>;
};

/**
 * One line for all services, in the order of coming. A claim begins when none before it, waiting or at work, is for one
 * of its services; so different services overlap, and one service has one task at a time. Upkeep goes ahead of waiting
 * deployments: one at work may need it, and one that waits for that very deployment would hold both up for ever.
 *
 * A deployment takes the place in the line of the waiting ones that it covers, so that a service never has more than one
 * waiting that another makes pointless.
 */
export class Queue {
  #line: Claim[] = [];
  #isReleased = false;

  readonly inTurn: InTurn = <T>(service: string, task: () => Promise<T>): Promise<T> => {
    const { promise, work } = asked(task);
    const waiting = this.#line.findIndex((claim) => !isUpkeep(claim) && !claim.hasBegun);
    const place = waiting === -1 ? this.#line.length : waiting;
    const claim = claimOf([service], work);
    this.#line = this.#line.toSpliced(place, 0, claim);
    this.#advance();
    return promise;
  };

  /**
   * Runs a task while nothing else is at work on any service, nor on one that the file has only by then. It waits for the
   * release, and what comes later waits for its end. Errors: the signal's reason, when it aborts before the task has begun.
   */
  alone<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { promise, work, giveUp } = asked(task);
    const claim = claimOf("all", work);
    const onAbort = (): void => {
      if (claim.hasBegun) return;
      this.#remove(claim);
      giveUp(signal.reason);
    };
    this.#line.push(claim);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else this.#advance();
    return promise;
  }

  /** Deployments may begin from now on. Until then they hold nothing up: what leads to the release may need its turn. */
  release(): void {
    this.#isReleased = true;
    this.#advance();
  }

  /** The waiting deployments that one which decides on these services takes the place of, in the order of the line. */
  coveredBy(decided: readonly string[]): string[] {
    return this.#line.filter((claim) => isCovered(claim, decided)).map(({ deployment = "" }) => deployment);
  }

  /** Errors: `queue_full`, when a deployment that decides on these services would be one too many. */
  assertRoom(decided: readonly string[]): void {
    const waiting = this.#line.filter(
      (claim) => claim.deployment !== undefined && !claim.hasBegun && !isCovered(claim, decided),
    );
    if (waiting.length < LIMIT) return;
    throw new DeployerError("queue_full", `${LIMIT} deployments are waiting already; try again in a minute`);
  }

  /**
   * Takes the place of the first deployment it covers, unless one that came between and stays is for one of its services
   * too: that would end with the older wish; then, or where it covers none, the last place. All it covers leave the line.
   * @param decided what `decidedBy` says of it; not given: all its services
   */
  enter(
    deployment: string,
    services: readonly string[],
    task: () => Promise<void>,
    decided: readonly string[] = services,
  ): void {
    const claim: Claim = { services, deployment, isNew: true, hasBegun: false, task };
    const place = this.#line.findIndex((other) => isCovered(other, decided));
    const staying = this.#line.slice(place + 1).filter((other) => !isCovered(other, decided));
    if (place === -1 || staying.some((other) => other.deployment !== undefined && overlap(claim, other)))
      this.#line.push(claim);
    else this.#line[place] = claim;
    this.#line = this.#line.filter((other) => other === claim || !isCovered(other, decided));
    this.#advance();
  }

  /** Goes on with one that the last run of the daemon had begun: nothing takes its place any more. */
  enterAgain(deployment: string, services: readonly string[], task: () => Promise<void>): void {
    this.#line.push({ services, deployment, isNew: false, hasBegun: false, task });
    this.#advance();
  }

  isWaiting(deployment: string): boolean {
    return this.#line.some((claim) => claim.deployment === deployment && !claim.hasBegun);
  }

  /** Takes a waiting deployment out of the line; false when it has begun, or is not there. */
  leave(deployment: string): boolean {
    if (!this.isWaiting(deployment)) return false;
    this.#line = this.#line.filter((claim) => claim.deployment !== deployment);
    this.#advance();
    return true;
  }

  #advance(): void {
    const ahead = this.#line.filter(({ hasBegun }) => hasBegun);
    for (const claim of this.#line) {
      if (claim.hasBegun || (!isUpkeep(claim) && !this.#isReleased)) continue;
      if (!ahead.some((other) => overlap(claim, other))) this.#begin(claim);
      ahead.push(claim);
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

/**
 * The services of which a deployment decides alone what they run in the end, whatever comes before it: all of its own.
 * None when it goes back by a step from what runs: it makes nothing before it pointless.
 */
export function decidedBy(request: Pick<DeploymentRequest, "kind" | "to" | "parts">): string[] {
  const isStep = request.kind === "rollback" && request.to === undefined;
  return isStep ? [] : servicesOf(request);
}

/** A task, and what comes of it for whoever asked. */
function asked<T>(task: () => Promise<T>) {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const work = async (): Promise<void> => {
    const turn = (async () => await task())();
    resolve(turn);
    await turn;
  };
  return { promise, work, giveUp: reject };
}

function claimOf(services: Claim["services"], task: Claim["task"]): Claim {
  return { services, deployment: undefined, isNew: false, hasBegun: false, task };
}

/** The daemon's own work on one service. */
function isUpkeep({ deployment, services }: Claim): boolean {
  return deployment === undefined && services !== "all";
}

function overlap({ services: some }: Claim, { services: others }: Claim): boolean {
  return some === "all" || others === "all" || some.some((service) => others.includes(service));
}

/**
 * Whether a newer deployment, which decides on these services, makes a waiting older one pointless: they are all the older
 * one's. Nothing else matters, not who asked, nor whether an image was named: both, one after the other, would end as
 * the newer one alone.
 */
function isCovered({ deployment, isNew, hasBegun, services }: Claim, decided: readonly string[]): boolean {
  if (deployment === undefined || !isNew || hasBegun || services === "all") return false;
  return services.every((service) => decided.includes(service));
}
