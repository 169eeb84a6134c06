import type { LoadResult } from "../../test/support/load-result.ts";
import { spread } from "../report.ts";
import type { EdgeLane } from "./edge-lane.ts";
import { countsIn, latencyIn, type LaneResult, longestSilence, p99Each, type Span } from "./lane.ts";
import type { RecreateLane } from "./recreate-lane.ts";

export type Lanes = {
  edge: EdgeLane;
  composeUp: LaneResult;
  scale: LaneResult;
  rollback: LaneResult;
  /** Rolled back too, with `resend: all`. */
  resend: LaneResult;
  recreate: RecreateLane;
};

export const LANE_NAMES = {
  edge: "the edge, rolling",
  composeUp: "`docker compose up -d`, published port",
  scale: "scale up, sleep 5, reload nginx, remove old",
  rollback: "the edge, rolled back in the watch",
  resend: "the edge, rolled back in the watch, `resend: all`",
  recreate: "the edge, held while the only one is replaced",
} as const;

/** What a swap may cost over the control. */
const GOAL_MS = 25;

/** One row for each lane, and below it what a row has no room for. */
export function tables(lanes: Lanes): string[] {
  const { edge } = lanes;
  return [
    "| | swaps | requests | failed | failed a swap | p50 | p99 | p50 in swaps | p99 in swaps | longest answer | no answer for |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
    row(LANE_NAMES.edge, edge, edge.own),
    controlRow(edge),
    ...(["rollback", "resend", "recreate", "composeUp", "scale"] as const).map((name) =>
      row(LANE_NAMES[name], lanes[name], [everything(lanes[name].result)]),
    ),
    "",
    ...againstControl(edge),
    ...edgeItself(edge),
    `Rolled back: ${endings(lanes.rollback)}; of these failed: ${byMethod(lanes.rollback.result)}. A GET is sent again when its container dies; a POST that had been sent is not, unless its service says that it tells repeated requests apart.`,
    `With \`resend: all\`: ${endings(lanes.resend)}; of these failed: ${byMethod(lanes.resend.result)}.`,
    `Held: ${endings(lanes.recreate)}; ${count(lanes.recreate.held)} requests waited, ${count(lanes.recreate.refused)} were refused, the longest answer took ${milliseconds(lanes.recreate.result.latency.max)} ms.`,
    "",
    "Why requests failed, and how late the generator was (99 of 100 requests left at most so late):",
    "",
    "| | reasons | late, ms |",
    "|---|---|---|",
    ...(["edge", "rollback", "resend", "recreate", "composeUp", "scale"] as const).map(
      (name) =>
        `| ${LANE_NAMES[name]} | ${reasons(lanes[name].result)} | ${lanes[name].result.schedule.p99.toFixed(1)} |`,
    ),
  ];
}

function row(name: string, { result, swaps }: LaneResult, own: readonly Span[]): string {
  const { sent, failed } = countsIn(result, own);
  const each = (failed / swaps.length).toFixed(failed % swaps.length === 0 ? 0 : 1);
  return cells([
    name,
    count(swaps.length),
    count(sent),
    count(failed),
    each,
    ...latencies(result, own, swaps),
    milliseconds(latencyIn(result, own).max),
    milliseconds(longestSilence(result)),
  ]);
}

function controlRow({ result, controls }: EdgeLane): string {
  const { sent, failed } = countsIn(result, controls);
  return cells([
    `control: ${controls.length} times a container beside it, no switch`,
    "0",
    count(sent),
    count(failed),
    "",
    ...latencies(result, controls, []),
    milliseconds(latencyIn(result, controls).max),
    "",
  ]);
}

function latencies(result: LoadResult, own: readonly Span[], swaps: readonly Span[]): string[] {
  const texts = (spans: readonly Span[]) => {
    const { p50, p99 } = latencyIn(result, spans);
    return spans.length === 0 ? ["", ""] : [p50, p99].map(milliseconds);
  };
  return [...texts(own), ...texts(swaps)];
}

function againstControl({ result, swaps, controls }: EdgeLane): string[] {
  const [swap, control] = [swaps, controls].map((spans) => latencyIn(result, spans).p99);
  const over = (swap ?? Number.NaN) - (control ?? Number.NaN);
  const difference = over < 0 ? `${milliseconds(-over)} ms less` : `${milliseconds(over)} ms more`;
  const verdict = over <= GOAL_MS ? "met" : "not met";
  const doubt = result.schedule.kept ? "" : ", on a machine too busy to tell: requests left late";
  return [
    `p99 in a swap: ${milliseconds(swap ?? Number.NaN)} ms, in the control ${milliseconds(control ?? Number.NaN)} ms: ${difference}; goal: at most ${GOAL_MS} ms more: ${verdict}${doubt}. By themselves, median (least-most): swaps ${spread(p99Each(result, swaps))}, controls ${spread(p99Each(result, controls))} ms.`,
  ];
}

function edgeItself(lane: EdgeLane): string[] {
  const known = lane.deployed.flatMap(({ traffic }) => (traffic === undefined ? [] : [traffic]));
  const sum = (pick: (one: (typeof known)[number]) => number) =>
    known.reduce((all, one) => all + pick(one), 0);
  const counted = `as the edge itself counted: ${count(sum(({ requests }) => requests))} requests during them, ${count(sum(({ failed }) => failed))} failed, ${count(sum(({ retried }) => retried))} sent a second time`;
  return [`Deployments: ${endings(lane)}${known.length === 0 ? "" : `; ${counted}`}.`];
}

function endings({ ended }: LaneResult): string {
  return Object.entries(ended)
    .map(([status, times]) => `${times} ${status}`)
    .join(", ");
}

function byMethod({ failures, failed }: LoadResult): string {
  const posts = failures.filter(({ kind }) => kind === "post").length;
  const more = failed > failures.length ? ` of the first ${count(failures.length)}` : "";
  return `${count(posts)} POST, ${count(failures.length - posts)} GET${more}`;
}

function reasons({ reasons }: LoadResult): string {
  const all = Object.entries(reasons).toSorted(([, a], [, b]) => b - a);
  return all.map(([reason, times]) => `${reason}: ${count(times)}`).join(", ") || "none failed";
}

function everything({ duration }: LoadResult): Span {
  return { from: 0, to: duration + 1_000 };
}

function cells(texts: readonly string[]): string {
  return `| ${texts.join(" | ")} |`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function milliseconds(value: number): string {
  return value < 10 ? value.toFixed(1) : count(Math.round(value));
}
