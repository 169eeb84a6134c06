import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import { killAtInstants } from "../test/support/kill-instants.ts";
import type { KillResult } from "../test/support/kill-lane.ts";
import { type Scene, startScene } from "../test/support/scene.ts";
import { stage } from "../test/support/stage.ts";
import { median, report } from "./report.ts";
import { lineThrough } from "./slope.ts";
import { onStage, say } from "./stage.ts";

/** `npm run soak`: 200 kills of the daemon at random instants, then 500 deployments and what they leave behind. */

const KILLS = 200;
const SEED = 1;
const DEPLOYMENTS = 500;
/** The runtime's heap, SQLite's cache and Docker's layers have to find their size first. */
const WARM_UP = 100;
const SAMPLE_EVERY = 10;
const LAYER_BYTES = 256 * 1024;
const MIB = 1024 * 1024;

type Sample = { rss: number; files: number; layers: number; images: number; state: number };

const Usage = z.object({ LayersSize: z.number(), Images: z.array(z.unknown()) });

await onStage(async () => {
  const kills = await killAtInstants(KILLS, SEED, stage().binary, sayEach(KILLS));
  const samples = await deployOften();
  report("soak", [...killLines(kills), "", ...growthLines(samples)]);
});

async function deployOften(): Promise<Sample[]> {
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("web", "v0", { payloadBytes: LAYER_BYTES });
      const settings = "x-deployer: { watch: 0s, health: / }";
      return `services:\n  web:\n    image: ${aws.repository("web")}:v0\n    ${settings}\n`;
    },
  });
  const samples: Sample[] = [];
  for (let number = 1; number <= DEPLOYMENTS; number += 1) {
    await scene.aws.publish("web", `v${number}`, { payloadBytes: LAYER_BYTES });
    const image = `${scene.aws.repository("web")}:v${number}`;
    const reply = await scene.daemon.deploy({ service: "web", image });
    if (reply.status !== 200) throw new Error(`deployment ${number}: ${reply.status} ${reply.text}`);
    if (number % SAMPLE_EVERY !== 0) continue;
    samples.push(await sample(scene));
    say(`deployment ${number} of ${DEPLOYMENTS}: ${JSON.stringify(samples.at(-1))}`);
  }
  return samples;
}

async function sample({ daemon }: Scene): Promise<Sample> {
  const { LayersSize, Images } = Usage.parse(await (await stage().docker.api("/system/df")).json());
  return {
    rss: daemon.rss(),
    files: readdirSync(`/proc/${daemon.pid}/fd`).length,
    layers: LayersSize,
    images: Images.length,
    state: bytesIn(daemon.stateDir),
  };
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((path) => statSync(join(folder, path), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((total, size) => total + size, 0);
}

function sayEach(count: number): (result: KillResult) => void {
  let done = 0;
  return ({ strategy, status, servedAfterMs }) => {
    done += 1;
    say(
      `kill ${done} of ${count}: ${strategy}, ${status ?? "not accepted"}, served after ${servedAfterMs} ms`,
    );
  };
}

function killLines(results: readonly KillResult[]): string[] {
  const rows = (["recreate", "rolling"] as const).map((strategy) => {
    const own = results.filter((result) => result.strategy === strategy);
    const count = (wanted: string | undefined) => own.filter(({ status }) => status === wanted).length;
    const served = own.map(({ servedAfterMs }) => servedAfterMs);
    const times = `${Math.round(median(served))} (most ${Math.max(...served)})`;
    return `| ${strategy} | ${own.length} | ${count("succeeded")} | ${count("failed")} | ${count(undefined)} | ${times} |`;
  });
  return [
    `${results.length} deployments whose daemon was killed (\`kill -9\`) at a random instant (seed ${SEED}) and started again. After each of them: one container, on the version that the record says; \`before\` ran at most once; with rolling, no question of a peer that asks 20 times a second failed.`,
    "",
    "| strategy | kills | succeeded | failed | not accepted | served after the start, ms |",
    "|---|---|---|---|---|---|",
    ...rows,
  ];
}

function growthLines(samples: readonly Sample[]): string[] {
  const settled = samples.slice(WARM_UP / SAMPLE_EVERY);
  const row = (what: string, pick: (sample: Sample) => number, unit: number, digits: number): string => {
    const values = settled.map((each) => pick(each) / unit);
    const { slope, noise } = lineThrough(values);
    const text = (value: number | undefined) => (value ?? Number.NaN).toFixed(digits);
    const rise = slope * (values.length - 1);
    return `| ${what} | ${text(values[0])} | ${text(values.at(-1))} | ${text(rise)} | ${text(noise)} |`;
  };
  return [
    `${DEPLOYMENTS} deployments of new images, one after the other; a straight line through the values every ${SAMPLE_EVERY} of them, after the first ${WARM_UP}.`,
    "",
    "| | first | last | the line rises by | values stray by |",
    "|---|---|---|---|---|",
    row("resident memory, MiB", ({ rss }) => rss, MIB, 1),
    row("open files", ({ files }) => files, 1, 1),
    row("Docker's layers, MiB", ({ layers }) => layers, MIB, 1),
    row("Docker's images", ({ images }) => images, 1, 1),
    row("STATE_DIR, MiB (the history is kept, up to 10,000 deployments)", ({ state }) => state, MIB, 2),
  ];
}
