import type { Ports } from "../../src/core/ports.ts";
import { Queue } from "../../src/core/queue.ts";

/** The ports of a daemon that can be killed: then no call of its is answered any more, nor has an effect. */
export function mortal(ports: Ports): { ports: Ports; kill: () => void } {
  let isDead = false;

  /** @param whenDead what a call of the dead daemon gets */
  function bound<T extends object>(port: T, whenDead: () => unknown): T {
    return new Proxy(port, {
      get(target, name) {
        const found: unknown = Reflect.get(target, name);
        if (typeof found !== "function") return found;
        return (...args: unknown[]): unknown => {
          if (isDead) return whenDead();
          const answer: unknown = Reflect.apply(found, target, args);
          return answer instanceof Promise ? unlessDead(answer) : answer;
        };
      },
    });
  }

  async function unlessDead<T>(answer: Promise<T>): Promise<T> {
    const [settled] = await Promise.allSettled([answer]);
    if (isDead) await hang();
    if (settled.status === "rejected") throw settled.reason;
    return settled.value;
  }

  const { engine, compose, probe, disk, registry, edge, store, journal, clock, log } = ports;
  const sleeper = bound(clock, hang);
  return {
    ports: {
      engine: bound(engine, hang),
      compose: bound(compose, hang),
      probe: bound(probe, hang),
      disk: bound(disk, fail),
      registry: bound(registry, hang),
      edge: bound(edge, hang),
      store: bound(store, fail),
      journal: bound(journal, () => undefined),
      clock: { now: () => clock.now(), sleep: (...args) => sleeper.sleep(...args) },
      log,
      inTurn: new Queue().inTurn,
    },
    kill: () => void (isDead = true),
  };
}

function hang(): Promise<void> {
  return new Promise(() => undefined);
}

/** For calls that cannot but answer. */
function fail(): never {
  throw new Error("killed");
}
