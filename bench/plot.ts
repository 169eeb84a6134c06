import type { LoadResult } from "../test/support/load-result.ts";
import { answeredRuns, BUCKET_MS, type Column, columnsOf } from "./plot-columns.ts";

/** One load as a picture shows it. */
export type Lane = {
  title: string;
  result: Pick<LoadResult, "sent" | "failed" | "latency" | "buckets" | "marks">;
};

type Scale = { end: number; worst: number };

const WIDTH = 960;
const LEFT = 64;
const RIGHT = 24;
const INNER = WIDTH - LEFT - RIGHT;
const HEAD = 74;
const LANE = 196;
const LANE_TITLE = 34;
const CURVES = 112;
const STRIP_GAP = 8;
const STRIP = 18;
const FOOT = 44;
const LABEL_WIDTH = 84;
const LONG_LABEL = 14;
const LOWEST_MS = 1;
const SECOND_MS = 1_000;
const LATENCY_TICKS = [1, 10, 100, 1_000, 10_000, 100_000];
const LATENCY_TOPS = LATENCY_TICKS.slice(1).flatMap((tick) => [tick, 2 * tick, 5 * tick]);
const MANY_MARKS = 24;
const TIME_STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 3_600];
const TIME_TICKS = 12;
const FAILED_LEAST = 4;

const STYLE = `text{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#57606a}
.title{font-size:18px;font-weight:600;fill:#1f2328}.lane{font-size:14px;font-weight:600;fill:#1f2328}
.bad{fill:#c4231a;font-weight:600}.good{fill:#1a7f37;font-weight:600}
.grid{stroke:#e7eaee}.axis{stroke:#c5ccd3}.mark{stroke:#8c959f;stroke-dasharray:3 3}.faint{opacity:.45}.label{font-size:11px;paint-order:stroke;stroke:#fff;stroke-width:3px}
.max{fill:#d6e4f9}.p99,.p50{fill:none;stroke-linejoin:round}.p99{stroke:#6fa0e6}.p50{stroke:#17498f;stroke-width:1.5}.failed{fill:#d92d20}.strip{fill:#f6f7f9}`;

/**
 * A picture of loads on one time axis, one above the other, as SVG: median, p99 and longest answer of each moment on a
 * logarithmic axis that all share, failed requests in red below, a line for each mark.
 */
export function plot(title: string, lanes: readonly Lane[]): string {
  const columns = lanes.map(({ result }) => result.buckets);
  const end = Math.max(SECOND_MS, ...columns.map((buckets) => (buckets.at(-1)?.at ?? 0) + BUCKET_MS));
  const longest = Math.max(...lanes.map(({ result }) => result.latency.max));
  const worst = LATENCY_TOPS.find((top) => top >= longest) ?? longest;
  const height = HEAD + lanes.length * LANE + FOOT;
  const bodies = lanes.map((lane, index) => drawLane(lane, { end, worst }, HEAD + index * LANE));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text class="title" x="${LEFT}" y="32">${escape(title)}</text>
${legend(54)}
${bodies.join("\n")}
${timeAxis(end, height - FOOT)}
</svg>
`;
}

function drawLane({ title, result }: Lane, scale: Scale, top: number): string {
  const columns = columnsOf(result.buckets, scale.end);
  const plane = top + LANE_TITLE;
  const strip = plane + CURVES + STRIP_GAP;
  return `<g>
<text class="lane" x="${LEFT}" y="${top + 16}">${escape(title)}</text>
${summary(result, top + 16)}
${latencyAxis(scale, plane)}
<rect class="strip" x="${LEFT}" y="${strip}" width="${INNER}" height="${STRIP}"/>
<text x="${LEFT - 8}" y="${strip + 13}" text-anchor="end">failed</text>
${curves(columns, scale, plane)}
${failedBars(columns, scale, strip)}
${markLines(result.marks, scale, plane, strip + STRIP)}
</g>`;
}

function summary({ sent, failed, latency }: Lane["result"], y: number): string {
  const count = (value: number) => value.toLocaleString("en-US");
  const verdict = `<tspan class="${failed === 0 ? "good" : "bad"}">${count(failed)} failed</tspan>`;
  const times = `p99 ${duration(latency.p99)}, longest ${duration(latency.max)}`;
  return `<text x="${WIDTH - RIGHT}" y="${y}" text-anchor="end">${count(sent)} requests, ${verdict}, ${times}</text>`;
}

/** Interrupted where no request was answered at all. */
function curves(columns: readonly Column[], scale: Scale, top: number): string {
  const points = (run: readonly Column[], pick: (column: Column) => number) =>
    run.map((column) => `${x(column.at, scale)},${y(pick(column), scale, top)}`).join(" ");
  const bottom = round(top + CURVES);
  return answeredRuns(columns)
    .map((run) => {
      const corners = [run.at(-1), run[0]].map((column) => `${x(column?.at ?? 0, scale)},${bottom}`);
      return `<polygon class="max" points="${points(run, ({ max }) => max)} ${corners.join(" ")}"/>
<polyline class="p99" points="${points(run, ({ p99 }) => p99)}"/>
<polyline class="p50" points="${points(run, ({ p50 }) => p50)}"/>`;
    })
    .join("\n");
}

/** The taller, the more: the square root shows one of them beside hundreds. */
function failedBars(columns: readonly Column[], scale: Scale, top: number): string {
  const most = Math.max(...columns.map(({ failed }) => failed));
  const bars = columns.filter(({ failed }) => failed > 0);
  return bars
    .map(({ at, length, failed }) => {
      const width = round(Math.max(2, (INNER * length) / scale.end - 1));
      const height = round(FAILED_LEAST + (STRIP - FAILED_LEAST) * Math.sqrt(failed / most));
      return `<rect class="failed" x="${round(x(at, scale) - width / 2)}" y="${round(top + STRIP - height)}" width="${width}" height="${height}"/>`;
    })
    .join("\n");
}

/** Names only where there is room for them. */
function markLines(marks: Lane["result"]["marks"], scale: Scale, top: number, bottom: number): string {
  let free = 0;
  const kind = marks.length > MANY_MARKS ? "mark faint" : "mark";
  return marks
    .map(({ name, at }) => {
      const left = x(at, scale);
      const line = `<line class="${kind}" x1="${left}" y1="${top - 4}" x2="${left}" y2="${bottom}"/>`;
      if (left < free) return line;
      free = left + LABEL_WIDTH;
      const text = name.length > LONG_LABEL ? `${name.slice(0, LONG_LABEL - 1)}…` : name;
      const isLast = left > WIDTH - RIGHT - LABEL_WIDTH;
      const place = isLast
        ? `x="${left - 4}" y="${top + 7}" text-anchor="end"`
        : `x="${left + 4}" y="${top + 7}"`;
      return `${line}<text class="label" ${place}>${escape(text)}</text>`;
    })
    .join("\n");
}

function latencyAxis(scale: Scale, top: number): string {
  return [...LATENCY_TICKS.filter((tick) => tick < scale.worst / 2), scale.worst]
    .map((tick) => {
      const height = y(tick, scale, top);
      const line = `<line class="${tick === LOWEST_MS ? "axis" : "grid"}" x1="${LEFT}" y1="${height}" x2="${WIDTH - RIGHT}" y2="${height}"/>`;
      return `${line}<text x="${LEFT - 8}" y="${height + 4}" text-anchor="end">${duration(tick)}</text>`;
    })
    .join("\n");
}

function timeAxis(end: number, top: number): string {
  const seconds = end / SECOND_MS;
  const step = TIME_STEPS.find((step) => seconds / step <= TIME_TICKS) ?? seconds;
  const ticks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
  return ticks
    .map((tick) => {
      const left = x(tick * SECOND_MS, { end, worst: 0 });
      return `<line class="axis" x1="${left}" y1="${top - 16}" x2="${left}" y2="${top - 11}"/><text x="${left}" y="${top + 4}" text-anchor="middle">${tick} s</text>`;
    })
    .join("\n");
}

function legend(y: number): string {
  const item = (x: number, swatch: string, text: string) =>
    `${swatch}<text x="${x + 22}" y="${y}">${text}</text>`;
  const line = (name: string, x: number) =>
    `<line class="${name}" x1="${x}" y1="${y - 4}" x2="${x + 16}" y2="${y - 4}"/>`;
  return [
    item(LEFT, line("p50", LEFT), "median"),
    item(LEFT + 90, line("p99", LEFT + 90), "p99"),
    item(
      LEFT + 160,
      `<rect class="max" x="${LEFT + 160}" y="${y - 10}" width="16" height="11"/>`,
      "longest answer",
    ),
    item(
      LEFT + 290,
      `<rect class="failed" x="${LEFT + 302}" y="${y - 10}" width="4" height="11"/>`,
      "failed requests",
    ),
    item(
      LEFT + 424,
      `<line class="mark" x1="${LEFT + 436}" y1="${y - 12}" x2="${LEFT + 436}" y2="${y + 2}"/>`,
      "deployment",
    ),
  ].join("\n");
}

function x(at: number, { end }: Scale): number {
  return round(LEFT + (INNER * at) / end);
}

function y(latency: number, { worst }: Scale, top: number): number {
  const share = Math.log(Math.max(latency, LOWEST_MS)) / Math.log(worst);
  return round(top + CURVES * (1 - share));
}

function duration(milliseconds: number): string {
  if (milliseconds >= SECOND_MS) return `${Number((milliseconds / SECOND_MS).toFixed(1))} s`;
  return `${milliseconds < 10 ? Number(milliseconds.toFixed(1)) : Math.round(milliseconds)} ms`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
