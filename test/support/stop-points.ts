import { writeSync } from "node:fs";

import type { Journal } from "../../src/core/history.ts";
import type { Ports } from "../../src/core/ports.ts";
import type { Store } from "../../src/core/store.ts";

/** Which stop point ends the daemon, 1, 2, 3 … from the first deployment that it accepts; unset: none. */
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

/**
 * Ports of a daemon that kills itself as `kill -9` would at the stop point of this number. Stop points are before and after
 * each write of a deployment, and after each of its events, which are told before their effect.
 */
export function withStopPoints(ports: Ports, number: number): Ports {
  let passed = 0;
  let counts = false;

  function point(name: string): void {
    if (!counts) return;
    passed += 1;
    if (passed !== number) return;
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

  const store = new Proxy(ports.store, {
    get(target, key): unknown {
      const name = WRITES.find((write) => write === key);
      if (name !== undefined) return (...args: unknown[]) => write(target, name, args);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const journal: Journal = {
    event(deployment, phase, level, text) {
      ports.journal.event(deployment, phase, level, text);
      point(`event ${phase}`);
    },
  };
  return { ...ports, store, journal };
}
