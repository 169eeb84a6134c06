const TIME_DIGITS = 9;
const RANDOM_DIGITS = 5;
const BASE = 36;

/** Short, unguessable enough to be unique, and in the order of time: milliseconds, then chance, in base 36. */
export function newId(): string {
  const time = Date.now().toString(BASE).padStart(TIME_DIGITS, "0");
  const [chance = 0] = crypto.getRandomValues(new Uint32Array(1));
  return `${time}${(chance % BASE ** RANDOM_DIGITS).toString(BASE).padStart(RANDOM_DIGITS, "0")}`;
}
