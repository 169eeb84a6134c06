import { createPublicKey } from "node:crypto";

import { jwtVerify } from "jose";

import { readPublicKey } from "../src/tokens/keys.ts";
import { createVerifier } from "../src/tokens/verify.ts";
import { newKeys, signToken } from "../test/support/keys.ts";
import { median, report } from "./report.ts";

/** `bun bench/tokens.ts`: CPU for a token of the wrong key, our verifier and jose's with its key kept, in turn. */

const ROUNDS = 7;
const TOKENS = 3_000;

const { publicPem } = newKeys();
const forged = await signToken(newKeys());
const publicKey = readPublicKey(publicPem);
const ours = createVerifier({ keys: () => [publicKey] });
const joseKey = createPublicKey(publicPem);

const sides = {
  ours: () => ours(forged),
  jose: () => jwtVerify(forged, joseKey, { algorithms: ["RS256"] }),
};
const times = { ours: [] as number[], jose: [] as number[] };
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const side of ["ours", "jose"] as const) {
    const microseconds = await cpuEach(sides[side]);
    // The first round warms up.
    if (round > 0) times[side].push(microseconds);
  }
}
report("tokens", [
  `RS256 tokens signed by another key, ${ROUNDS} rounds of ${TOKENS} in turn; microseconds of CPU a token, all threads, median.`,
  "",
  "| our verifier (`node:crypto`) | jose, key kept | ratio |",
  "|---|---|---|",
  `| ${Math.round(median(times.ours))} | ${Math.round(median(times.jose))} | ${(median(times.ours) / median(times.jose)).toFixed(2)} |`,
]);

async function cpuEach(verify: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  let refused = 0;
  for (let n = 0; n < TOKENS; n += 1) {
    await verify().catch(() => {
      refused += 1;
    });
  }
  if (refused !== TOKENS) throw new Error("a forged token was accepted");
  const { user, system } = process.cpuUsage(before);
  return (user + system) / TOKENS;
}
