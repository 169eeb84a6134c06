import type { Daemon } from "../test/support/daemon.ts";
import { type Flooded, flood } from "../test/support/flood.ts";
import { type Scene, startScene } from "../test/support/scene.ts";
import { rejectionCost, type RejectionCost } from "./cost/rejection.ts";
import { report, RESULTS, spread } from "./report.ts";
import { onStage, say } from "./stage.ts";

/**
 * `bun bench/flood.ts`: a minute of 10,000 forged tokens a second while good deployments go on, ten seconds of a flood that
 * waits for its answers, and the CPU for each. `ORIGINAL=/path/of/its/program` measures that in turn, `SHORT=1` does a tenth of it, into .test.
 */

const SHORT = (process.env["SHORT"] ?? "") !== "";
const ORIGINAL = process.env["ORIGINAL"];
const PER_SECOND = 10_000;
const MEGABYTE = 1024 ** 2;
const SIZE = SHORT ? { many: 6_000, few: 3_000, rounds: 1 } : { many: 60_000, few: 10_000, rounds: 5 };
/** More than twice what is held back, so that the rest goes on at full speed. */
const MANY = 1_280;
const FEW = 32;
const CALM = 5;
const SHORT_RESULTS = ".test";
/** Of one address: a hundred, then one in a second. */
const BURST = 100;
/** How much more the second half may have at most than the first. */
const FLAT = 1.15;

await onStage(async () => {
  await using scene = await startShop();
  const { daemon } = scene;
  const deploy = alternating(scene);
  const calm: number[] = [];
  for (let n = 0; n < CALM; n += 1) {
    const begin = performance.now();
    await deploy();
    calm.push(performance.now() - begin);
  }
  say(`a flood by ${MANY} connections for ${SIZE.many / 1_000} s`);
  const many = await flood(daemon, { connections: MANY, perSecond: PER_SECOND }, SIZE.many, deploy);
  const afterwards = daemon.rss();
  say(`a flood by ${FEW} connections for ${SIZE.few / 1_000} s`);
  const few = await flood(daemon, { connections: FEW, perSecond: PER_SECOND }, SIZE.few, deploy);
  for (const flooded of [many, few]) judge(flooded);
  const cost = await rejectionCost(daemon, ORIGINAL, SIZE.rounds);
  const lines = [
    `Forged RS256 tokens (2048 bits, signatures that have to be calculated to the end), ${PER_SECOND} a second wanted, from one address, by a sender on the same two cores; meanwhile good deployments, one after the other, each a new image: pulled, gated and watched.`,
    "",
    "| | a flood that does not wait | one that waits for its answers |",
    "|---|---|---|",
    row("connections", MANY, FEW),
    row("seconds", seconds(many), seconds(few)),
    row("refused", many.refused, few.refused),
    row("refused a second", perSecond(many), perSecond(few)),
    row("good deployments, all succeeded", many.good.length, few.good.length),
    row(`each took, ms (before the flood ${spread(calm)})`, times(many), times(few)),
    row("log lines, one a refused request", many.lines, few.lines),
    row("log lines that count the rest", many.summaries, few.summaries),
    row("refused requests that the log accounts for", many.told, few.told),
    row("resident memory before, MB", mega(many.rss.before), mega(few.rss.before)),
    row("the most in the first half, MB", mega(halves(many)[0]), mega(halves(few)[0])),
    row("the most in the second half, MB", mega(halves(many)[1]), mega(halves(few)[1])),
    "",
    `Afterwards ${mega(afterwards)} MB. Of an address that is refused more than a hundred times and then more than once a second, answers are held back half a second, 512 at a time. So a flood that waits is slowed to two a second and connection, and one with more connections is not.`,
    "",
    ...costLines(cost),
  ];
  report("flood", lines, SHORT ? SHORT_RESULTS : RESULTS);
});

function startShop(): Promise<Scene> {
  return startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2");
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n`;
    },
  });
}

function alternating({ daemon, aws }: Scene): () => ReturnType<Daemon["deploy"]> {
  let n = 0;
  return () => {
    n += 1;
    return daemon.deploy({ service: "web", image: `${aws.repository("web")}:v${1 + (n % 2)}` });
  };
}

function judge(flooded: Flooded): void {
  const { good, others, lines, told, refused } = flooded;
  const failed = good.filter(({ reply }) => reply.status !== 200);
  if (failed.length > 0) throw new Error(`a good deployment failed: ${failed[0]?.reply.text}`);
  if (Object.keys(others).length > 0) throw new Error(`other answers: ${JSON.stringify(others)}`);
  if (lines > BURST + 2 * seconds(flooded)) throw new Error(`${lines} log lines of single requests`);
  if (told < refused) throw new Error(`the log accounts for ${told} of ${refused} refused requests`);
  const [first, second] = halves(flooded);
  if (!SHORT && second > first * FLAT)
    throw new Error(`memory grows: ${mega(first)}, then ${mega(second)} MB`);
}

function costLines({ ours, original }: RejectionCost): string[] {
  const rows = [
    `| this program | ${spread(ours)} |`,
    original === undefined
      ? "| the original, measured earlier on such a machine | 106-121 |"
      : `| the original | ${spread(original)} |`,
  ];
  return [
    `CPU for each refused request over HTTP, microseconds, all threads of the server, log included, ${ours.length} rounds in turn: median (least-most).`,
    "",
    "| | us |",
    "|---|---|",
    ...rows,
  ];
}

function halves({ rss }: Flooded): [first: number, second: number] {
  const middle = Math.floor(rss.samples.length / 2);
  return [Math.max(...rss.samples.slice(0, middle)), Math.max(...rss.samples.slice(middle))];
}

function row(what: string, many: number | string, few: number | string): string {
  return `| ${what} | ${many} | ${few} |`;
}

function seconds({ duration }: Flooded): number {
  return Math.round(duration / 1_000);
}

function perSecond({ refused, duration }: Flooded): number {
  return Math.round((refused / duration) * 1_000);
}

function times({ good }: Flooded): string {
  return spread(good.map(({ ms }) => ms));
}

function mega(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}
