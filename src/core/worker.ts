import { deploy } from "./deploy.ts";
import { accept, begin, type Deployment, end, hasEnded, type Outcome } from "./deployment.ts";
import { DeployerError, errorCode, publicMessage } from "./errors.ts";
import type { Ports } from "./ports.ts";
import type { Queue } from "./queue.ts";
import { authorise, type DeployRequest } from "./request.ts";
import { tellAccepted, tellEnd } from "./story.ts";
import { unlessAborted } from "./wait.ts";

/** How long a shutdown lets the running deployment go on; systemd kills us at 90 s (120 s with our unit). */
const FINISH_WITHIN_MS = 75_000;
/** How long a deployment waits for the recovery at the start of the daemon, which needs Docker. */
const RECOVERY_WITHIN_MS = 30_000;

/** Accepts deployments, runs each in its turn, and tells who waits how it ended. */
export class Worker {
  readonly #ports: Ports;
  readonly #queue: Queue;
  readonly #ready: Promise<void>;
  readonly #newId: () => string;
  readonly #running = new Map<string, Promise<Deployment>>();
  /** What runs goes back at its next step. */
  readonly #abort = new AbortController();
  /** Nothing begins any more. */
  readonly #closing = new AbortController();

  /** @param ready resolves when recovery is over: nothing is deployed before that */
  constructor(ports: Ports, queue: Queue, ready: Promise<void>, newId: () => string) {
    this.#ports = ports;
    this.#queue = queue;
    this.#ready = ready;
    this.#newId = newId;
  }

  /**
   * Accepts a request; when it resolves the deployment is durable and runs to its end whatever the caller does.
   * Errors: `shutting_down`, `queue_full`, `not_found`, `not_deployable`, `compose_file`.
   */
  async submit(request: DeployRequest, issuer: string): Promise<Deployment> {
    this.#assertOpen();
    authorise(request, await this.#ports.compose.project());
    this.#assertOpen();
    this.#queue.assertRoom();
    const deployment = accept(this.#newId(), request, issuer, this.#ports.clock.now());
    this.#ports.store.insert(deployment);
    const { id, service, image } = deployment;
    tellAccepted(deployment, this.#ports);
    this.#ports.log.info("deployment accepted", { deployment: id, service, image: image ?? null, issuer });
    const ended = this.#queue.enter(service, () => this.#run(deployment));
    this.#running.set(id, ended);
    ended
      .catch((error: unknown) =>
        this.#ports.log.error("the end of a deployment could not be recorded", { deployment: id, error }),
      )
      .finally(() => this.#running.delete(id));
    return deployment;
  }

  /** The deployment at its end; at once if it has ended. Errors: `not_found`, the signal's reason. */
  async ended(id: string, signal: AbortSignal): Promise<Deployment> {
    const running = this.#running.get(id);
    if (running !== undefined) return await unlessAborted(running, signal);
    const deployment = this.#find(id);
    if (hasEnded(deployment)) return deployment;
    // Left by the last run of the daemon: the recovery ends it.
    await unlessAborted(this.#ready, signal);
    return this.#find(id);
  }

  /** Refuses new deployments, ends waiting ones unstarted, and has running ones go back when they take too long. */
  async stop(): Promise<void> {
    this.#closing.abort(interrupted("the daemon was stopped before the deployment began"));
    const finished = new AbortController();
    const deadline = this.#ports.clock.sleep(FINISH_WITHIN_MS, finished.signal).then(
      () => this.#abort.abort(interrupted("the daemon was stopped and the deployment did not end in time")),
      () => undefined,
    );
    await Promise.allSettled(this.#running.values());
    finished.abort();
    await deadline;
  }

  async #run(accepted: Deployment): Promise<Deployment> {
    const { store, journal, clock, log } = this.#ports;
    const deployment = begin(accepted, clock.now());
    store.update(deployment);
    journal.event(deployment.id, "started", "info", "its turn has come");
    log.info("deployment started", { deployment: deployment.id, service: deployment.service });
    const ended = end(deployment, await this.#outcome(deployment), clock.now());
    store.update(ended);
    tellEnd(ended.id, ended, this.#ports);
    const { id, service, status, changed, digest, reason } = ended;
    const fields = {
      deployment: id,
      service,
      status,
      changed,
      digest,
      reason,
      milliseconds: clock.now() - ended.createdAt,
    };
    if (status === "succeeded") log.info("deployment ended", fields);
    else log.error("deployment ended", fields);
    return ended;
  }

  async #outcome(deployment: Deployment): Promise<Outcome> {
    try {
      this.#closing.signal.throwIfAborted();
      await this.#recovered();
    } catch (error) {
      return untouched(error);
    }
    return await deploy(deployment, this.#ports, this.#abort.signal);
  }

  /** Nothing is deployed on top of what a crash left behind. */
  async #recovered(): Promise<void> {
    const given = new AbortController();
    const late = this.#ports.clock.sleep(RECOVERY_WITHIN_MS, given.signal).then(() => {
      throw new DeployerError(
        "docker",
        "the daemon is still starting: it waits for Docker, or for the compose file to be readable; see /ready",
      );
    });
    try {
      await unlessAborted(Promise.race([this.#ready, late]), this.#closing.signal);
    } finally {
      given.abort();
      late.catch(() => undefined);
    }
  }

  #find(id: string): Deployment {
    const deployment = this.#ports.store.find(id);
    if (deployment !== undefined) return deployment;
    throw new DeployerError("not_found", `unknown deployment ${JSON.stringify(id)}`);
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new DeployerError("shutting_down", "the daemon is shutting down");
  }
}

function interrupted(why: string): DeployerError {
  return new DeployerError("interrupted", `interrupted: ${why}`);
}

function untouched(error: unknown): Outcome {
  return {
    status: "failed",
    changed: false,
    digest: undefined,
    code: errorCode(error),
    reason: `${publicMessage(error)}\nnothing was touched`,
  };
}
