import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import { run } from "../test/support/run.ts";
import { type Scene, startScene } from "../test/support/scene.ts";
import { stage } from "../test/support/stage.ts";
import { countObjects, grown, type Objects } from "./growth-count.ts";
import { report } from "./report.ts";
import { type Line, lineThrough } from "./slope.ts";
import { onStage, say } from "./stage.ts";

/** The last part of `npm run soak`: many deployments, and what they leave behind in memory, files and on the disk. */

const DEPLOYMENTS = 1_000;
/** Side by side, so that it ends before the day does. */
const SERVICES = ["web", "api", "worker"];
/** Functions are compiled one after the other as they get hot, which goes on for hundreds of deployments: see the table. */
const WARM_UP = 400;
const SAMPLE_EVERY = 10;
const BLOCK = 50;
const LAYER_BYTES = 256 * 1024;
const MIB = 1024 * 1024;
/** Of one type; a leak of one a deployment is far above. */
const FEW_OBJECTS = 50;

type Sample = {
  rss: number;
  anonymous: number;
  files: number;
  layers: number;
  images: number;
  state: number;
};
type Growth = { samples: Sample[]; settled: Objects; last: Objects };

const Usage = z.object({ LayersSize: z.number(), Images: z.array(z.unknown()) });

type Row = {
  what: string;
  pick: (sample: Sample) => number;
  unit: number;
  digits: number;
  /** What it may rise by in a block beyond its noise, in `unit`s; undefined: it grows on purpose. */
  mayRise: number | undefined;
};

const ROWS: Row[] = [
  { what: "resident memory, MiB", pick: ({ rss }) => rss, unit: MIB, digits: 1, mayRise: 0.1 },
  {
    what: "of it not the program's file, MiB",
    pick: ({ anonymous }) => anonymous,
    unit: MIB,
    digits: 1,
    mayRise: 0.1,
  },
  { what: "open files", pick: ({ files }) => files, unit: 1, digits: 1, mayRise: 0.1 },
  { what: "Docker's layers, MiB", pick: ({ layers }) => layers, unit: MIB, digits: 1, mayRise: 0.1 },
  { what: "Docker's images", pick: ({ images }) => images, unit: 1, digits: 1, mayRise: 0.1 },
  {
    what: "STATE_DIR, MiB (the history is kept, up to 10,000 deployments)",
    pick: ({ state }) => state,
    unit: MIB,
    digits: 2,
    mayRise: undefined,
  },
];

await onStage(async () => {
  const growth = await deployOften();
  report("growth", linesOf(growth));
  const rising = ROWS.filter((row) => isRising(row, growth.samples)).map(({ what }) => what);
  if (rising.length > 0) throw new Error(`still rising after ${WARM_UP} deployments: ${rising.join("; ")}`);
});

async function deployOften(): Promise<Growth> {
  const binary = `${process.cwd()}/.test/deployer-service-counted`;
  await run([process.execPath, "build.ts", "--entry", "bench/counted-main.ts", "--outfile", binary]);
  await using scene = await startScene({
    compose: async (aws) => {
      await aws.publish("app", "v0", { payloadBytes: LAYER_BYTES });
      const body = `{ image: "${aws.repository("app")}:v0", x-deployer: { watch: 0s, health: / } }`;
      return `services:\n${SERVICES.map((name) => `  ${name}: ${body}\n`).join("")}`;
    },
    daemon: { binary },
  });
  const samples: Sample[] = [];
  let settled: Objects | undefined;
  let number = 0;
  while (samples.length < DEPLOYMENTS / SAMPLE_EVERY) {
    const end = number + SAMPLE_EVERY;
    const work = async (service: string): Promise<void> => {
      while (number < end) await deployNew(scene, service, (number += 1));
    };
    await Promise.all(SERVICES.map(work));
    samples.push(await sample(scene));
    say(`deployment ${number} of ${DEPLOYMENTS}: ${JSON.stringify(samples.at(-1))}`);
    if (number === WARM_UP) settled = await countObjects(scene.daemon);
  }
  const last = await countObjects(scene.daemon);
  return { samples, settled: settled ?? last, last };
}

async function deployNew({ aws, daemon }: Scene, service: string, number: number): Promise<void> {
  await aws.publish("app", `v${number}`, { payloadBytes: LAYER_BYTES });
  const reply = await daemon.deploy({ service, image: `${aws.repository("app")}:v${number}` });
  if (reply.status !== 200) throw new Error(`deployment ${number}: ${reply.status} ${reply.text}`);
}

async function sample({ daemon }: Scene): Promise<Sample> {
  const { LayersSize, Images } = Usage.parse(await (await stage().docker.api("/system/df")).json());
  const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
  return {
    rss: daemon.rss(),
    anonymous: Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024,
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

function linesOf({ samples, settled, last }: Growth): string[] {
  const mib = ({ heapSize }: Objects) => (heapSize / MIB).toFixed(1);
  return [
    `${DEPLOYMENTS} deployments of new images, of ${SERVICES.length} services side by side; means of the values every ${SAMPLE_EVERY} of them, by the ${BLOCK}.`,
    "",
    `| deployments | ${ROWS.map(({ what }) => what).join(" | ")} |`,
    `|---|${"---|".repeat(ROWS.length)}`,
    ...blocksOf(samples).map(
      (block, index) =>
        `| to ${(index + 1) * BLOCK} | ${ROWS.map(({ pick, unit, digits }) => (meanOf(block, pick) / unit).toFixed(digits)).join(" | ")} |`,
    ),
    "",
    `A straight line through those means after the first ${WARM_UP}: what it rises by in ${BLOCK} deployments, and the error of that (two standard errors).`,
    "",
    "| | rises by | error |",
    "|---|---|---|",
    ...ROWS.map((row) => {
      const { slope, error } = riseOf(row, samples);
      return `| ${row.what} | ${slope.toFixed(2)} | ±${(2 * error).toFixed(2)} |`;
    }),
    "",
    `Objects of JavaScript without garbage: ${settled.objectCount} (${mib(settled)} MiB) after ${WARM_UP}, ${last.objectCount} (${mib(last)} MiB) after ${DEPLOYMENTS} deployments; types of which there were at least ${FEW_OBJECTS} more: ${grown(settled, last, FEW_OBJECTS)}.`,
  ];
}

function isRising(row: Row, samples: readonly Sample[]): boolean {
  if (row.mayRise === undefined) return false;
  const { slope, error } = riseOf(row, samples);
  return slope > 2 * error + row.mayRise;
}

/** By the block, after the warm-up. */
function riseOf({ pick, unit }: Row, samples: readonly Sample[]): Line {
  return lineThrough(
    blocksOf(samples.slice(WARM_UP / SAMPLE_EVERY)).map((block) => meanOf(block, pick) / unit),
  );
}

function blocksOf(samples: readonly Sample[]): Sample[][] {
  const size = BLOCK / SAMPLE_EVERY;
  return Array.from({ length: Math.floor(samples.length / size) }, (_, n) =>
    samples.slice(n * size, (n + 1) * size),
  );
}

function meanOf(block: readonly Sample[], pick: (sample: Sample) => number): number {
  return block.reduce((total, each) => total + pick(each), 0) / block.length;
}
