const PAUSE = 20;

/** Asks again and again until the answer is neither undefined nor false; throws `gave up waiting for …` at the deadline (milliseconds). */
export async function waitFor<T>(
  what: string,
  deadline: number,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + deadline;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() >= end) throw new Error(`gave up waiting for ${what} after ${deadline} ms`);
    await Bun.sleep(PAUSE);
  }
}
