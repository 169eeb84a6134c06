import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";

export const RESULTS = "bench/results";

/** Prints a result and keeps it, with date and machine, as `<name>.md` in `folder`. */
export function report(name: string, lines: string[], folder = RESULTS): void {
  const text = `${[`# ${name}`, "", machine(), "", ...lines].join("\n")}\n`;
  mkdirSync(folder, { recursive: true });
  const file = `${folder}/${name}.md`;
  writeFileSync(file, text);
  Bun.spawnSync([process.execPath, "fmt", "--no-script", file]);
  process.stdout.write(text);
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** `median (least-most)` */
export function spread(values: number[]): string {
  return `${Math.round(median(values))} (${Math.round(Math.min(...values))}-${Math.round(Math.max(...values))})`;
}

function machine(): string {
  const release = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "Linux";
  const cores = cpus();
  const gigabytes = Math.round(totalmem() / 1024 ** 3);
  return `${new Date().toISOString().slice(0, 10)}, ${release}, ${cores.length} x ${cores[0]?.model ?? "?"}, ${gigabytes} GiB, Bun ${Bun.version}. A shared machine: trust the ratios.`;
}
