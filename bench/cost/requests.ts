import { HOST } from "../../test/support/routed-scene.ts";
import { startLoad } from "../../test/support/load.ts";
import { run } from "../../test/support/run.ts";
import { median, spread } from "../report.ts";
import { pause, say } from "../stage.ts";
import { type Way, WAYS } from "./way.ts";

export type CostSize = { rounds: number; wrkSeconds: number; loadSeconds: number };

const CONNECTIONS = 32;
const PER_SECOND = 300;
const PERCENT = 100;

type Figures = { perSecond: number[]; p50: number[]; p99: number[]; failed: number };

/** Each way gets wrk and then a load at a constant rate, in turn, round after round. */
export async function measureRequests(
  ways: readonly Way[],
  { rounds, wrkSeconds, loadSeconds }: CostSize,
  signal: AbortSignal,
): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const way of ways) {
      const own = figures.get(way.name) ?? { perSecond: [], p50: [], p99: [], failed: 0 };
      figures.set(way.name, own);
      own.perSecond.push(await wrk(way, wrkSeconds));
      await using load = await startLoad({ ...way.target, perSecond: PER_SECOND, slow: 0 });
      await pause(loadSeconds * 1_000, signal);
      const { latency, failed } = await load.stop();
      own.p50.push(latency.p50);
      own.p99.push(latency.p99);
      own.failed += failed;
      say(`round ${round}: ${way.name}: ${Math.round(own.perSecond.at(-1) ?? 0)}/s, p99 ${latency.p99} ms`);
    }
  }
  return figures;
}

/** Requests a second on kept connections. */
export async function wrk({ url }: Pick<Way, "url">, seconds: number): Promise<number> {
  const argv = ["wrk", "-t1", `-c${CONNECTIONS}`, `-d${seconds}`, "-H", `Host: ${HOST}`, url];
  const { stdout } = await run(argv);
  const bad = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(stdout)?.[0];
  if (bad !== undefined) throw new Error(`${argv.join(" ")}: ${bad}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
}

export function requestLines(figures: Map<string, Figures>, { rounds, wrkSeconds, loadSeconds }: CostSize) {
  const base = figures.get(WAYS.direct);
  const share = (own: number[], pick: (figures: Figures) => number[]): string =>
    (median(own) / median(base === undefined ? [] : pick(base))).toFixed(2);
  const rows = [...figures].map(
    ([name, own]) =>
      `| ${name} | ${spread(own.perSecond)} | ${share(own.perSecond, ({ perSecond }) => perSecond)} | ${median(own.p50).toFixed(1)} | ${tenths(own.p99)} | ${share(own.p99, ({ p99 }) => p99)} | ${own.failed} |`,
  );
  return [
    `${rounds} rounds in turn, median (least-most): wrk with ${CONNECTIONS} kept connections for ${wrkSeconds} s, then ${loadSeconds} s of ${PER_SECOND} requests a second (half on new connections, a fifth POST; latency in ms). Visitor, proxy and application share the machine's cores. All ways but HTTPS lead to the same container.`,
    "",
    "| | requests/s | to direct | p50 | p99 | to direct | failed |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    "",
    "The published port goes through docker-proxy, as from loopback it always does: this Docker has no iptables rules, so from elsewhere it would too. With them, visitors from other machines come by NAT, near to direct. The edge opens a connection to the container for each request, which wrk's kept ones do not: a request that nobody may send again is never lost on a connection that the container is closing.",
  ];
}

function tenths(values: number[]): string {
  const text = (value: number) => (Math.round(value * PERCENT) / PERCENT).toFixed(1);
  return `${text(median(values))} (${text(Math.min(...values))}-${text(Math.max(...values))})`;
}
