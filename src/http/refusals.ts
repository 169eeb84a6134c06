import type { History } from "../core/history.ts";
import type { Clock, Log } from "../core/ports.ts";
import type { Rejection } from "../core/rejection.ts";
import { Allowances } from "./allowance.ts";
import { networkOf } from "./address.ts";
import { Tally } from "./tally.ts";

/** A person, or a pipeline with a wrong key, stays under it; whoever does not is a flood. */
const OF_AN_ADDRESS = { burst: 100, everyMs: 1_000, most: 4_096 };
/** Lines and records for everybody together: a flood may come from very many addresses. Those with a good token count apart. */
const OF_ALL = { burst: 200, everyMs: 100, most: 2 };
/** What is kept, and how many more there were, is written once in a while. */
const WRITE_AFTER_MS = 1_000;
/** How long an answer to a flood is held back. */
const HOLD_MS = 500;
/** Answers held back at a time, about 9 KB each; what comes beyond is answered at once. */
const MOST_HELD = 512;

type Ports = { store: Pick<History, "addRejections">; clock: Clock; log: Log };

type Judgement = {
  /** It gets a line in the log and a place among the rejected; else it is counted. */
  isListed: boolean;
  /** Its address has had more than a mistake explains. */
  isFlood: boolean;
};

/**
 * Keeps floods of refused requests small: those of an address beyond what a mistake explains are counted, not listed, and
 * answered late, so that who waits for answers sends few. It begins when a token has been refused; a good one never
 * comes here.
 */
export class Refusals {
  readonly #ports: Ports;
  readonly #ofAddress = new Allowances(OF_AN_ADDRESS);
  readonly #ofAll = new Allowances(OF_ALL);
  readonly #tally = new Tally();
  readonly #closing = new AbortController();
  #listed: Rejection[] = [];
  /** Since the last one that was listed. */
  #unlisted = 0;
  #isWriting = false;
  #held = 0;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  judge({ remote, cause, verified }: Pick<Rejection, "remote" | "cause" | "verified">): Judgement {
    const now = this.#ports.clock.now();
    const network = networkOf(remote);
    const kind = verified ? "verified" : "";
    const isFlood = !this.#ofAddress.take(`${kind} ${network}`, now);
    const isListed = !isFlood && this.#ofAll.take(kind, now);
    if (!isListed) {
      this.#tally.add(network, cause);
      this.#unlisted += 1;
      this.#writeSoon();
    }
    return { isListed, isFlood };
  }

  list(rejection: Omit<Rejection, "at" | "unlisted">): void {
    this.#listed.push({ ...rejection, at: this.#ports.clock.now(), unlisted: this.#unlisted });
    this.#unlisted = 0;
    this.#writeSoon();
  }

  /** Resolves when the answer may go, also when nobody waits for it any more: to find that out costs more than it saves. */
  async hold(): Promise<void> {
    if (this.#held >= MOST_HELD) return;
    this.#held += 1;
    await this.#ports.clock.sleep(HOLD_MS);
    this.#held -= 1;
  }

  /** What has been refused so far is in the store and in the log when it returns. */
  write(): void {
    const { store, log } = this.#ports;
    const counted = this.#tally.takeAll();
    if (counted !== undefined) log.warn("more refused requests, counted only", counted);
    const rejections = this.#listed;
    this.#listed = [];
    if (rejections.length === 0) return;
    try {
      store.addRejections(rejections);
    } catch (error) {
      log.warn("rejected requests could not be written down", { requests: rejections.length, error });
    }
  }

  /** What comes later is forgotten. */
  close(): void {
    this.#closing.abort();
    this.write();
  }

  #writeSoon(): void {
    if (this.#isWriting || this.#closing.signal.aborted) return;
    this.#isWriting = true;
    void this.#ports.clock.sleep(WRITE_AFTER_MS, this.#closing.signal).then(
      () => {
        this.#isWriting = false;
        this.write();
      },
      () => undefined,
    );
  }
}
