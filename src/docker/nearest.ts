const MOST_SLIPS = 2;
/** A word that short is a slip away from every other. */
const SHORTEST_BEGINNING = 4;

/** The known word that was probably meant: spelled another way, with a slip or two, or with more to it. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = plain(word);
  const ranked = known
    .map((candidate) => ({ candidate, slips: slipsBetween(wanted, plain(candidate)) }))
    .toSorted((a, b) => a.slips - b.slips);
  const [closest] = ranked;
  if (closest !== undefined && closest.slips <= MOST_SLIPS && closest.slips * 2 < wanted.length)
    return closest.candidate;
  return known.find(
    (candidate) => isBeginning(plain(candidate), wanted) || isBeginning(wanted, plain(candidate)),
  );
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, "");
}

function isBeginning(short: string, long: string): boolean {
  return short.length >= SHORTEST_BEGINNING && long.startsWith(short);
}

/** Letters to add, drop or change until one is the other (Levenshtein). */
function slipsBetween(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, letter] of from.split("").entries()) {
    const line = [row + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const changed = (above[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      line.push(Math.min(changed, (above[column] ?? 0) + 1, (line[column - 1] ?? 0) + 1));
    }
    above = line;
  }
  return above[to.length] ?? 0;
}
