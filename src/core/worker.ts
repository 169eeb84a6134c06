import { deploy } from "./deploy.ts";
import { accept, type Deployment, hasEnded, servicesOf, supersede } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { assertInOrder, type Run } from "./order.ts";
import { Pending } from "./pending.ts";
import type { Ports } from "./ports.ts";
import { decidedBy, type Queue } from "./queue.ts";
import { acceptedBefore } from "./repeat.ts";
import { type RepeatKey, spend } from "./repeat-key.ts";
import { authorise, type DeployRequest } from "./request.ts";
import { resume } from "./resume.ts";
import { fieldsOf, tellAccepted, tellResumed, tellWaits } from "./story.ts";
import { Turn } from "./turn.ts";
import { notWritten, unwritten } from "./unwritten.ts";
import { versionToGoBackTo } from "./versions.ts";
import { unlessAborted } from "./wait.ts";
import { WithoutDocker } from "./without-docker.ts";

/** How long a shutdown lets the running deployment go on; systemd kills us at 90 s (120 s with our unit). */
const FINISH_WITHIN_MS = 75_000;

/** Accepts deployments, runs each in its turn, and tells who waits how it ended. */
export class Worker {
  readonly #ports: Ports;
  readonly #queue: Queue;
  readonly #newId: () => string;
  readonly #turn: Turn;
  readonly #pending: Pending;
  readonly #withoutDocker: WithoutDocker;
  /** What runs goes back at its next step. */
  readonly #abort = new AbortController();
  /** Nobody has to wait for Docker any more: it answers, or the daemon stops. */
  readonly #started = new AbortController();
  #isClosing = false;

  /**
   * Takes up what the last run of the daemon left unfinished.
   * @param ready resolves when Docker answers: nothing is deployed before that
   * @param onEnd called when a deployment that had begun has ended
   */
  constructor(
    ports: Ports,
    queue: Queue,
    ready: Promise<void>,
    newId: () => string,
    onEnd: (id: string) => void = () => undefined,
  ) {
    this.#ports = ports;
    this.#pending = new Pending(ports);
    this.#queue = queue;
    this.#newId = newId;
    const stop = { signal: this.#abort.signal, isClosing: () => this.#isClosing };
    this.#withoutDocker = new WithoutDocker(ports, queue, this.#pending);
    this.#turn = new Turn(ports, this.#pending, stop, onEnd);
    for (const left of ports.store.unfinished()) {
      if (left.status === "running") this.#resume(left);
      else this.#takeUp(left);
    }
    void ready.then(() => {
      this.#started.abort();
      queue.release();
    });
  }

  /**
   * Accepts a request; when it resolves the deployment is durable and runs to its end whatever the caller does, after a
   * restart if need be. A request that was sent before with one of these keys, of which the first decides, is the deployment
   * it was then.
   * Errors: `shutting_down`, `queue_full`, `not_found`, `not_deployable`, `compose_file`, `superseded` for a run older
   * than the newest one accepted, `conflict` for a key of another request and for a rollback without a version to go to.
   */
  async submit(request: DeployRequest, issuer: string, keys: readonly RepeatKey[] = []): Promise<Deployment> {
    const first = acceptedBefore(keys, this.#ports);
    if (first !== undefined) return first;
    this.#assertOpen();
    // A signal to our whole service ends Compose too: then the stop is the reason, not the file.
    const project = await this.#ports.compose.project().finally(() => this.#assertOpen());
    const services = authorise(request, project);
    if (request.kind === "rollback")
      for (const service of services) versionToGoBackTo(request, service, this.#ports.store);
    return this.#accept(request, issuer, keys);
  }

  /**
   * The deployment at its end; at once if it has ended. Errors: `not_found`, the signal's reason, `shutting_down` when it
   * waits for the next start of the daemon.
   */
  async ended(id: string, signal: AbortSignal): Promise<Deployment> {
    const ending = this.#pending.endOf(id);
    if (ending !== undefined) return await unlessAborted(ending, signal);
    const deployment = this.#find(id);
    if (hasEnded(deployment)) return deployment;
    throw this.#isClosing ? waitsForStart(id) : unwritten(deployment);
  }

  /** Refuses new deployments, leaves waiting ones to the next start, and has running ones go back when they take too long. */
  async stop(): Promise<void> {
    this.#isClosing = true;
    this.#started.abort();
    for (const id of this.#pending.ids())
      if (this.#queue.leave(id)) this.#pending.leave(id, waitsForStart(id));
    const finished = new AbortController();
    const deadline = this.#ports.clock.sleep(FINISH_WITHIN_MS, finished.signal).then(
      () => this.#abort.abort(interrupted("the daemon was stopped and the deployment did not end in time")),
      () => undefined,
    );
    await this.#pending.allEnded();
    finished.abort();
    await deadline;
  }

  /** Without a pause from the first question to the row on disk: of two requests at once, one comes first in everything. */
  #accept(request: DeployRequest, issuer: string, keys: readonly RepeatKey[]): Deployment {
    const { store, clock, log } = this.#ports;
    const first = acceptedBefore(keys, this.#ports);
    if (first !== undefined) return first;
    this.#assertOpen();
    const run = this.#inOrder(request);
    const asked = accept(this.#newId(), request, issuer, clock.now());
    this.#queue.assertRoom(decidedBy(asked));
    const { deployment, superseded } = this.#inPlaceOfOthers(asked);
    try {
      const spent = keys.map((key) => spend(key, clock.now()));
      store.insert(deployment, { superseded, run, keys: spent });
    } catch (cause) {
      throw notWritten("the request was not accepted", cause);
    }
    tellAccepted(deployment, this.#ports);
    log.info("deployment accepted", { ...fieldsOf(deployment), issuer });
    this.#enter(deployment, superseded);
    if (!this.#started.signal.aborted)
      void this.#withoutDocker.endUnlessItAnswers(deployment.id, this.#started.signal);
    return deployment;
  }

  /** As one just accepted; it may supersede what a version without superseding left waiting. */
  #takeUp(left: Deployment): void {
    const { store, log } = this.#ports;
    const { deployment, superseded } = this.#inPlaceOfOthers(left);
    if (deployment.force !== left.force) store.update(deployment);
    for (const other of superseded) store.update(other);
    tellWaits(deployment, this.#ports);
    log.info("deployment waits since before the start", fieldsOf(left));
    this.#enter(deployment, superseded);
  }

  /** The daemon was killed in the middle of it. */
  #resume(left: Deployment): void {
    const { log } = this.#ports;
    tellResumed(left, this.#ports);
    log.warn("deployment was interrupted, going on with it", fieldsOf(left));
    this.#pending.add(left);
    this.#queue.enterAgain(left.id, servicesOf(left), () => this.#turn.run(left, resume));
  }

  /**
   * The waiting deployments whose place this one takes, at their end, and itself. It inherits `force`: the restart that
   * was asked for with it (a file no hash knows of has changed) is still owed when the newer one finds nothing changed.
   */
  #inPlaceOfOthers(deployment: Deployment): { deployment: Deployment; superseded: Deployment[] } {
    const others = this.#queue
      .coveredBy(decidedBy(deployment))
      .flatMap((id) => this.#pending.deployment(id) ?? []);
    return {
      deployment: { ...deployment, force: deployment.force || others.some(({ force }) => force) },
      superseded: others.map((other) => supersede(other, deployment.id, this.#ports.clock.now())),
    };
  }

  #enter(deployment: Deployment, superseded: readonly Deployment[]): void {
    this.#pending.add(deployment);
    const run = (): Promise<void> => this.#turn.run(deployment, deploy);
    this.#queue.enter(deployment.id, servicesOf(deployment), run, decidedBy(deployment));
    for (const other of superseded) this.#pending.tell(other);
  }

  /** The run that the order guard moves to. Errors: `superseded`. */
  #inOrder({ parts, run, force }: DeployRequest): Run | undefined {
    if (run === undefined) return undefined;
    for (const { service } of parts)
      assertInOrder(run, this.#ports.store.guard(service, run.workflow), { force });
    return run;
  }

  #find(id: string): Deployment {
    const deployment = this.#ports.store.find(id);
    if (deployment !== undefined) return deployment;
    throw new DeployerError("not_found", `unknown deployment ${JSON.stringify(id)}`);
  }

  #assertOpen(): void {
    if (this.#isClosing) throw new DeployerError("shutting_down", "the daemon is shutting down");
  }
}

function waitsForStart(id: string): DeployerError {
  return new DeployerError(
    "shutting_down",
    `the daemon is shutting down; deployment ${id} is on disk and runs after the restart`,
  );
}

function interrupted(why: string): DeployerError {
  return new DeployerError("interrupted", `interrupted: ${why}`);
}
