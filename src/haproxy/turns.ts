/** Runs tasks one after the other, in the order in which they came. */
export type Turns = <T>(task: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const mine = last.then(task, task);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** The turns of each name by themselves. */
export function createTurnsByName(): (name: string) => Turns {
  const byName = new Map<string, Turns>();
  return (name) => {
    const turns = byName.get(name) ?? createTurns();
    byName.set(name, turns);
    return turns;
  };
}
