import type { Frontage } from "../core/edge.ts";
import { publicMessage } from "../core/errors.ts";
import { runningIdentity, type Parts } from "./apply.ts";
import { newPorts, specOf } from "./blueprint.ts";
import { certificateProblems } from "./certificate-problems.ts";
import { assertChallenges } from "./challenges.ts";
import { NO_STATE } from "./state.ts";

/** See `Edge.judge`. */
export async function judge(
  wanted: Frontage,
  { store, proxy, clock, cli, folder }: Pick<Parts, "store" | "proxy" | "clock" | "cli" | "folder">,
): Promise<string[]> {
  const { certs, challenges } = wanted.settings;
  const problems: string[] = [];
  const note = async (look: () => Promise<void> | void): Promise<void> => {
    try {
      await look();
    } catch (error) {
      problems.push(publicMessage(error));
    }
  };
  if (certs !== undefined) problems.push(...certificateProblems(certs, clock.now()));
  await note(() => assertChallenges(challenges));
  // Its own ports are taken by the proxy itself, as far as it runs.
  for (const port of newPorts((await runs(cli)) ? store.state() : NO_STATE, wanted))
    await note(() => proxy.assertFree([port]));
  await note(() => proxy.assertImage(specOf({ ...NO_STATE, frontage: wanted }, { folder })));
  return problems;
}

async function runs(cli: Parts["cli"]): Promise<boolean> {
  try {
    await runningIdentity(cli());
    return true;
  } catch {
    return false;
  }
}
