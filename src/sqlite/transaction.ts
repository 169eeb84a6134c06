import type { Database } from "bun:sqlite";

/**
 * What makes a change whole or not at all. It begins as a writer (`BEGIN IMMEDIATE`), so that it waits for another writer
 * instead of failing when it first writes. A change that awaits does not compile: bun:sqlite commits at its first await.
 */
export function transaction<A extends unknown[], T>(
  database: Database,
  change: (...args: A) => T extends PromiseLike<unknown> ? never : T,
): (...args: A) => T {
  // oxlint-disable-next-line no-restricted-properties -- the one place
  return database.transaction(change).immediate;
}
