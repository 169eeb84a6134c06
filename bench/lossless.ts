import { mkdirSync, writeFileSync } from "node:fs";

import type { LoadResult } from "../test/support/load-result.ts";
import { composeUpLane } from "./lanes/compose-up-lane.ts";
import { edgeLane } from "./lanes/edge-lane.ts";
import { PER_SECOND } from "./lanes/lane.ts";
import { recreateLane } from "./lanes/recreate-lane.ts";
import { rollbackLane } from "./lanes/rollback-lane.ts";
import { scaleLane } from "./lanes/scale-lane.ts";
import { LANE_NAMES, type Lanes, tables } from "./lanes/table.ts";
import { plot } from "./plot.ts";
import { report, RESULTS } from "./report.ts";
import { onStage, say } from "./stage.ts";

/**
 * `npm run lossless`: deployments under a constant load, behind the edge and by what people do without it, in one run of
 * half an hour. `bun bench/lossless.ts --short` is the same with few deployments, for trying: its results stay in `.test`.
 */

const FULL = {
  edge: { deployments: 100, requests: 300_000, block: 8, controls: 1 },
  byHand: 5,
  rollbacks: 10,
  recreates: 10,
};
const SHORT: typeof FULL = {
  edge: { deployments: 4, requests: 0, block: 2, controls: 1 },
  byHand: 2,
  rollbacks: 1,
  recreates: 2,
};
/** Of each lane, in the picture that compares them. */
const PICTURE_MS = 60_000;
const BUCKET_MS = 100;

const isShort = process.argv.includes("--short");
const size = isShort ? SHORT : FULL;
const folder = isShort ? ".test" : RESULTS;

await onStage(async (signal) => {
  const startedAt = Date.now();
  const lanes: Lanes = {
    composeUp: await composeUpLane(size.byHand, signal),
    scale: await scaleLane(size.byHand, signal),
    recreate: await recreateLane(size.recreates, signal),
    rollback: await rollbackLane(size.rollbacks, "idempotent", signal),
    resend: await rollbackLane(size.rollbacks, "all", signal),
    edge: await edgeLane(size.edge, signal),
  };
  say(`all lanes in ${Math.round((Date.now() - startedAt) / 1_000)} s`);
  draw(lanes);
  report("lossless", [...preface(), "", ...tables(lanes)], folder);
  const { swaps } = lanes.edge;
  if (swaps.length < size.edge.deployments) throw new Error(`only ${swaps.length} deployments were made`);
  for (const name of ["edge", "resend"] as const) {
    const { failed } = lanes[name].result;
    if (failed > 0) throw new Error(`${failed} requests failed: ${LANE_NAMES[name]}`);
  }
});

function preface(): string[] {
  return [
    `\`npm run lossless\`: ${PER_SECOND} requests a second, however they fare; half on connections of their own, half on kept ones; a fifth POST with 1 to 32 KiB that must come back right, 1 in 100 takes 500 ms by itself. Where images are rolled back, a POST has 1 to 12 KiB and takes 50 ms. Each is sent once. Latency, in milliseconds, counts from the moment when a request was due, without those 500 and 50.`,
    "",
    "Each lane is a load of its own, one after the other, but the control, which takes turns with the deployments in one load: it creates, starts, gates, watches, stops and removes a container like theirs, without a switch. Watch 1 s; where an image is to fail in it, 6 s. A swap is from the command to its end: the webhook's reply, or for the others the first answer of the new version, or the removal of the old container. Images of the others are on the host beforehand, the edge's are pulled.",
    "",
    `![the lanes](lossless.svg)`,
    "",
    `The whole of the first lane: [lossless-edge.svg](lossless-edge.svg).`,
  ];
}

function draw({ edge, ...others }: Lanes): void {
  const text = (name: keyof Lanes) => LANE_NAMES[name].replaceAll("`", "");
  const first = ["composeUp", "scale", "recreate", "rollback", "resend"] as const;
  const compared = first.map((name) => ({ title: text(name), result: cutOff(others[name].result) }));
  const one = { title: `${text("edge")}: its first minute, the numbers of all`, result: cutOff(edge.result) };
  write("lossless", plot(`Deployments at ${PER_SECOND} requests a second`, [one, ...compared]));
  const title = `${edge.swaps.length} deployments behind the edge at ${PER_SECOND} requests a second`;
  write("lossless-edge", plot(title, [{ title: text("edge"), result: edge.result }]));
}

/** Its numbers stay those of the whole load. */
function cutOff(result: LoadResult): LoadResult {
  return {
    ...result,
    buckets: result.buckets.slice(0, PICTURE_MS / BUCKET_MS),
    marks: result.marks.filter(({ at }) => at < PICTURE_MS),
  };
}

function write(name: string, svg: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}.svg`, svg);
}
