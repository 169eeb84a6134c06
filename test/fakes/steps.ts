/**
 * What was done, of the calls of a fake world: a stage is told once, when it is first written down. What is only noted on
 * the way to the next stage, and the names that images are kept by, are left out.
 */
export function stepsOf(calls: readonly string[]): string[] {
  const steps: string[] = [];
  for (const call of calls) {
    const isNote = call === "progress preparing" || call.startsWith("tag ");
    const isToldAlready = call.startsWith("progress ") && steps.includes(call);
    if (!isNote && !isToldAlready) steps.push(call);
  }
  return steps;
}
