import type { Cli, Worker } from "./cli.ts";

/**
 * Tells the workers that accept nothing any more, but have connections of before a reload, or of before another proxy took
 * over. One that ends meanwhile needs to know nothing. @returns what the others answered
 */
export async function tellReplaced<T>(
  current: Cli,
  earlier: readonly Cli[],
  tell: (worker: Worker) => Promise<T>,
): Promise<T[]> {
  const own = current.workers().then((workers) => workers.filter(({ isOld }) => isOld));
  const others = earlier.map((cli) => cli.workers().catch(() => []));
  const workers = (await Promise.all([own, ...others])).flat();
  const told = await Promise.allSettled(workers.map(tell));
  return told.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}
