/** Many wait side by side, and most of them ask Docker or the daemon: the longer it takes, the less it matters when it is seen. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 100;
const GROWTH = 1.1;

/** Asks again and again, ten times a second at least, until the answer is neither undefined nor false; throws `gave up waiting for …` at the deadline (milliseconds). */
export async function waitFor<T>(
  what: string,
  deadline: number,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + deadline;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * GROWTH, LONGEST_PAUSE)) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() >= end) throw new Error(`gave up waiting for ${what} after ${deadline} ms`);
    await Bun.sleep(pause);
  }
}
