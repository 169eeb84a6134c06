import type { Held } from "../core/edge.ts";
import { DeployerError } from "../core/errors.ts";
import type { Worker } from "./cli.ts";
import { serviceWord, word } from "./word.ts";

/** The commands of hold.lua. */

export async function beginHold(
  service: string,
  { ms, max }: { ms: number; max: number },
  { ask }: Pick<Worker, "ask">,
): Promise<void> {
  const limits = [ms, max].map((limit) => word(String(limit), /^\d+$/)).join(" ");
  const answer = (await ask(`deployer hold ${serviceWord(service)} ${limits}`)).trim();
  if (answer !== "held") throw refused(answer);
}

export async function endHold(service: string, { ask }: Pick<Worker, "ask">): Promise<Held> {
  const answer = (await ask(`deployer release ${serviceWord(service)}`)).trim();
  if (answer === "none") return { held: 0, refused: 0 };
  const [, held, refusedOnes] = /^(\d+) (\d+)$/.exec(answer) ?? [];
  if (held === undefined || refusedOnes === undefined) throw refused(answer);
  return { held: Number(held), refused: Number(refusedOnes) };
}

/** The services that are held. */
export async function holds({ ask }: Pick<Worker, "ask">): Promise<string[]> {
  return (await ask("deployer holds")).split("\n").filter((line) => line !== "");
}

function refused(answer: string): DeployerError {
  return new DeployerError("edge", `the edge cannot hold requests: ${answer.slice(0, 300)}`);
}
