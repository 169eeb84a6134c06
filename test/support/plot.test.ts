import { expect, test } from "bun:test";

import { type Lane, plot } from "../../bench/plot.ts";

test("a plot is one well-formed picture with the title, verdict, marks and failures of each lane", () => {
  const calm = lane("With <edge> & care", { buckets: 100, marks: ["v2", "v3"] });
  const rough = lane("docker compose up -d", { buckets: 100, marks: ["v2"], failedAt: [40, 41] });
  const svg = plot("A deployment & its visitors", [calm, rough]);
  expectWellFormed(svg);
  expect(svg).toContain("A deployment &amp; its visitors");
  expect(svg).toContain("With &lt;edge&gt; &amp; care");
  expect(svg).toContain('2,000 requests, <tspan class="good">0 failed</tspan>, p99 9 ms, longest 12 ms');
  expect(svg).toContain('<tspan class="bad">14 failed</tspan>');
  expect(countOf(svg, '<rect class="failed"')).toBe(1 + 2);
  expect(countOf(svg, '<line class="mark"')).toBe(1 + 3);
});

test("where nothing was answered the curve is interrupted, and a long load is drawn in columns that keep the worst", () => {
  const gap = lane("gap", { buckets: 100, silentAt: [50, 51] });
  expect(countOf(plot("Gap", [gap]), '<polyline class="p99"')).toBe(2);
  const long = lane("long", { buckets: 12_000, failedAt: [7_777] });
  const svg = plot("Long", [long]);
  expectWellFormed(svg);
  expect(svg.length).toBeLessThan(40_000);
  expect(countOf(svg, '<rect class="failed"')).toBe(1 + 1);
});

test("many marks have lines, and names only where they do not cover each other", () => {
  const names = Array.from({ length: 100 }, (_, index) => `v${index}`);
  const svg = plot("Many", [lane("many", { buckets: 1_000, marks: names })]);
  expect(countOf(svg, '<line class="mark faint"')).toBe(100);
  expect(countOf(svg, 'class="label"')).toBeWithin(5, 15);
});

test("a load without any answer is drawn as well", () => {
  const empty = { sent: 0, failed: 0, latency: { p50: 0, p90: 0, p99: 0, max: 0 }, buckets: [], marks: [] };
  expectWellFormed(plot("Nothing", [{ title: "empty", result: empty }]));
});

type Shape = { buckets: number; marks?: string[]; failedAt?: number[]; silentAt?: number[] };

function lane(title: string, { buckets, marks = [], failedAt = [], silentAt = [] }: Shape): Lane {
  const rows = Array.from({ length: buckets }, (_, index) => {
    const answered = silentAt.includes(index) ? 0 : 1;
    const failed = failedAt.includes(index) ? 7 : 0;
    return {
      at: index * 100,
      sent: 20,
      failed,
      p50: 2 * answered,
      p99: 9 * answered,
      max: 12 * answered,
      versions: {},
    };
  });
  const result = {
    sent: 20 * buckets,
    failed: 7 * failedAt.length,
    latency: { p50: 2, p90: 4, p99: 9, max: 12 },
    buckets: rows,
    marks: marks.map((name, index) => ({ name, at: ((index + 1) * buckets * 100) / (marks.length + 1) })),
  };
  return { title, result };
}

/** Every element is closed in its turn, text is escaped, and no number is missing. */
function expectWellFormed(svg: string): void {
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  const open: string[] = [];
  for (const [, end, name = "", rest = ""] of svg.matchAll(/<(\/?)([a-z]+)([^<>]*)>/gi)) {
    expect(rest).toMatch(/^( [a-zA-Z0-9:-]+="[^"<&]*")*\/?$/);
    if (end === "/") expect(open.pop()).toBe(name);
    else if (!rest.endsWith("/")) open.push(name);
  }
  expect(open).toEqual([]);
  const texts = svg.replaceAll(/<[^<>]*>/g, "");
  expect(texts).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}
