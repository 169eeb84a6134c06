import { isRunning } from "./containers.ts";
import { publicMessage } from "./errors.ts";
import { sendToRunning } from "./send-to-running.ts";
import type { Named } from "./compose.ts";
import type { Container } from "./engine.ts";
import type { Ports } from "./ports.ts";
import { Troubles } from "./troubles.ts";

const LASTS_MS = 2_000;
/** A certificate that ends soon is told of so often. */
const APPLIED_EVERY_MS = 24 * 60 * 60_000;
const THE_EDGE = "the edge";

/**
 * Notices when somebody else has changed what the edge rests on. A person's `docker compose up` makes containers that the
 * proxy does not know: their service's requests are sent to them, in its turn, so that no deployment is disturbed. Renewed
 * certificates are taken up, and a proxy that somebody has removed or stopped is brought back.
 */
export class FollowRunning {
  readonly #ports: Ports;
  readonly #following = new Set<string>();
  readonly #troubles = new Troubles();
  #isApplying = false;
  #appliedAt: number;

  constructor(ports: Ports) {
    this.#ports = ports;
    this.#appliedAt = ports.clock.now();
  }

  /** Never waits for what it begins. */
  look(project: Named, containers: readonly Container[]): void {
    if (!this.#isApplying) void this.#keepApplied();
    const running = containers.filter((container) => isRunning(container) && !container.oneOff);
    for (const [service, own] of Map.groupBy(running, (container) => container.service)) {
      if (this.#following.has(service)) continue;
      if (this.#isNews(service, own)) void this.#follow(project, service);
      else this.#troubles.areOver(`service ${service}`);
    }
  }

  async #keepApplied(): Promise<void> {
    const { edge, log, clock } = this.#ports;
    this.#isApplying = true;
    try {
      const isRenewed = edge.certificatesChanged();
      const isDue = clock.now() - this.#appliedAt >= APPLIED_EVERY_MS;
      const problem = isRenewed ? undefined : await this.#lastingProblem();
      if (!isRenewed && problem === undefined) this.#troubles.areOver(THE_EDGE);
      if (!isRenewed && !isDue && problem === undefined) return;
      this.#appliedAt = clock.now();
      await edge.reapply();
      if (isRenewed) log.info("the edge has taken up the certificates");
      else if (problem !== undefined && this.#troubles.isNew(THE_EDGE, problem))
        log.warn("the edge was brought up again", { problem });
    } catch (error) {
      if (this.#troubles.isNew(THE_EDGE, `not applied: ${publicMessage(error)}`))
        log.warn("the edge cannot be brought to what the compose file says", { error });
    } finally {
      this.#isApplying = false;
    }
  }

  /** A deployment may be changing the proxy in this very moment. */
  async #lastingProblem(): Promise<string | undefined> {
    const { edge, clock } = this.#ports;
    if ((await edge.problem()) === undefined) return undefined;
    await clock.sleep(LASTS_MS);
    return await edge.problem();
  }

  #isNews(service: string, own: readonly Container[]): boolean {
    if (!this.#ports.edge.isRouted(service)) return false;
    const { serving } = this.#ports.edge.direction(service);
    const ids = new Set(serving.map(({ container }) => container));
    return own.length !== ids.size || own.some(({ id }) => !ids.has(id));
  }

  async #follow(project: Named, service: string): Promise<void> {
    const { inTurn, log } = this.#ports;
    this.#following.add(service);
    try {
      await inTurn(service, () => sendToRunning(project, { name: service }, this.#ports));
    } catch (error) {
      if (this.#troubles.isNew(`service ${service}`, publicMessage(error)))
        log.warn("requests could not be sent to what runs", { service, error });
    } finally {
      this.#following.delete(service);
    }
  }
}
