import { heapStats } from "bun:jsc";

/** How many objects of a type (`Promise`, `Array`) there are more when it is done than before, garbage left out. */
export async function kept(type: string, work: () => Promise<unknown>): Promise<number> {
  const before = await count(type);
  await work();
  return (await count(type)) - before;
}

async function count(type: string): Promise<number> {
  // Reactions to what is settled come first.
  await Bun.sleep(0);
  Bun.gc(true);
  return heapStats().objectTypeCounts[type] ?? 0;
}
