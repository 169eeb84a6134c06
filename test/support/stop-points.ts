import { writeSync } from "node:fs";

import type { Edge } from "../../src/core/edge.ts";
import type { Journal } from "../../src/core/history.ts";
import type { Ports } from "../../src/core/ports.ts";
import type { Store } from "../../src/core/store.ts";

/**
 * Which stop point ends the daemon, 1, 2, 3 … from the first deployment that it accepts; `edge 1`, `edge 2` … of those at
 * the edge alone; unset: none.
 */
export const STOP_AT = "TEST_STOP_AT";

/** What it says on stderr before that. */
export const STOPPED_AT = /^stopped at (.*)$/m;

/** What is written down because a deployment goes on. */
const WRITES = [
  "insert",
  "update",
  "saveProgress",
  "commit",
  "saveOrigins",
  "dropPin",
] as const satisfies readonly (keyof Store)[];

/** What the edge is told because a deployment goes on, each about a service. */
const MOVES = ["direct", "drained", "hold", "release"] as const satisfies readonly (keyof Edge)[];

/**
 * Ports of a daemon that kills itself as `kill -9` would at the stop point of this number. Stop points are before and after
 * each write of a deployment and each move at the edge, and after each of its events, which are told before their effect.
 * @param stopAt see `STOP_AT`
 */
export function withStopPoints(ports: Ports, stopAt: string): Ports {
  const [, edge, number] = /^(edge )?(\d+)$/.exec(stopAt) ?? [];
  const isCounted =
    edge === undefined ? () => true : (name: string) => MOVES.some((move) => name.endsWith(move));
  let passed = 0;
  let counts = false;

  function point(name: string): void {
    if (!counts || !isCounted(name)) return;
    passed += 1;
    if (passed !== Number(number)) return;
    writeSync(process.stderr.fd, `stopped at ${name}\n`);
    process.kill(process.pid, "SIGKILL");
  }

  function write(target: Store, key: (typeof WRITES)[number], args: unknown[]): unknown {
    counts ||= key === "insert";
    point(`before ${key}`);
    const result: unknown = Reflect.apply(target[key], target, args);
    point(`after ${key}`);
    return result;
  }

  async function move(
    target: Edge,
    key: (typeof MOVES)[number],
    args: [string, ...unknown[]],
  ): Promise<unknown> {
    // A service without a route is none of its business.
    if (!target.isRouted(args[0])) return await Reflect.apply(target[key], target, args);
    point(`before ${key}`);
    const result: unknown = await Reflect.apply(target[key], target, args);
    point(`after ${key}`);
    return result;
  }

  const store = new Proxy(ports.store, {
    get(target, key): unknown {
      const name = WRITES.find((write) => write === key);
      if (name !== undefined) return (...args: unknown[]) => write(target, name, args);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const edgePort = new Proxy(ports.edge, {
    get(target, key): unknown {
      const name = MOVES.find((each) => each === key);
      if (name !== undefined) return (...args: [string, ...unknown[]]) => move(target, name, args);
      return Reflect.get(target, key, target);
    },
  });
  const journal: Journal = {
    event(deployment, phase, level, text) {
      ports.journal.event(deployment, phase, level, text);
      point(`event ${phase}`);
    },
    pulling: (deployment, image, progress) => ports.journal.pulling(deployment, image, progress),
  };
  return { ...ports, store, journal, edge: edgePort };
}
