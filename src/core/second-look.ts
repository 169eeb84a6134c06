import { containersOf } from "./containers.ts";
import type { Deployment } from "./deployment.ts";
import type { Ports } from "./ports.ts";
import { isCommitted, progressOf } from "./progress.ts";
import { fatesOf, isTakenDown, makeAnew } from "./taken-away.ts";
import type { Plan } from "./store.ts";
import { unlessAborted } from "./wait.ts";

/** Longer than a busy Compose takes from its list of the containers to the first that it stops. */
const LOOK_AFTER_MS = 3_000;

/**
 * A person's Compose that made its list before a deployment removed the old containers may take the new ones away when the
 * deployment has ended already. So whoever has just been deployed is looked at once more, a little later: a service that
 * was left without a container gets it back. It is the same as at the start of the daemon: what was stopped stays stopped,
 * and what was taken down with its networks stays down.
 */
export class SecondLook {
  readonly #ports: Ports;
  readonly #signal: AbortSignal;
  readonly #looks = new Set<Promise<void>>();

  constructor(ports: Ports, signal: AbortSignal) {
    this.#ports = ports;
    this.#signal = signal;
  }

  /** The deployment has ended. */
  after(id: string): void {
    const look = this.#look(id).catch((error: unknown) => {
      if (!this.#signal.aborted)
        this.#ports.log.warn("could not look again at what was deployed", { deployment: id, error });
    });
    this.#looks.add(look);
    void look.then(() => this.#looks.delete(look));
  }

  /** When the signal has aborted: those at work come to their end. */
  async ended(): Promise<void> {
    await Promise.all(this.#looks);
  }

  async #look(id: string): Promise<void> {
    const { store, clock, inTurn } = this.#ports;
    await clock.sleep(LOOK_AFTER_MS, this.#signal);
    const deployment = store.find(id);
    if (deployment === undefined || !isCommitted(deployment, this.#ports)) return;
    for (const plan of progressOf(deployment, this.#ports).plans) {
      // Not in its turn: a stop grace may be long.
      const fates = await unlessAborted(fatesOf(plan, this.#ports), this.#signal);
      if (!fates.includes("gone")) continue;
      await inTurn(plan.service, () => this.#giveBack(plan, deployment));
    }
  }

  async #giveBack(plan: Plan, deployment: Deployment): Promise<void> {
    const { store, engine, log } = this.#ports;
    const project = { name: store.projectName() ?? "" };
    const { service } = plan;
    const pin = store.pins().find((pin) => pin.service === service);
    if (pin?.deployment !== deployment.id || this.#signal.aborted) return;
    if ((await containersOf(project, { name: service }, engine)).length > 0) return;
    if (await isTakenDown(plan, this.#ports)) return;
    const notes = await makeAnew(plan, deployment, project, this.#ports);
    log.warn("a service without a container was given it back", { deployment: deployment.id, service });
    const { reason } = deployment;
    store.update({ ...deployment, reason: [reason, ...notes].filter((text) => text !== "").join("\n") });
  }
}
