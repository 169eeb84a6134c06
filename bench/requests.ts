import type { Daemon } from "../test/support/daemon.ts";
import { newKeys, signToken } from "../test/support/keys.ts";
import { cpuSeconds } from "../test/support/process-cpu.ts";
import { hasCommand, run } from "../test/support/run.ts";
import { stageDaemon, stageProject, startAws } from "../test/support/stage.ts";
import { median, report } from "./report.ts";
import { onStage, say } from "./stage.ts";

/** `bun bench/requests.ts`: requests a second, CPU a request and memory of the built daemon, under one wrk on the other core. */

const ROUNDS = 3;
const SECONDS = 3;
const CONNECTIONS = 32;
/** More than twice the answers that are held back when requests are refused so often. */
const REFUSED_CONNECTIONS = 1_280;
const STARTS = 15;
const MEGABYTE = 1024 * 1024;

type Load = {
  what: string;
  path: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
  connections?: number;
};
type Figures = { perSecond: number; cpuMicroseconds: number };

const ORIGINAL: Record<string, string> = {
  "GET /health": "28,000-33,000/s",
  "POST /deploy, no token": "26,000-31,000/s",
  "POST /deploy, forged token": "13,000-15,000/s, 106-121 us",
};

if (!hasCommand("wrk")) throw new Error("wrk is not installed: apt-get install wrk");

await onStage(async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  await using project = stageProject({
    compose: `services:\n  web:\n    image: ${aws.repository("web")}:v1\n`,
  });
  await using daemon = await stageDaemon(project, aws);
  await daemon.waitForLog((line) => line.message === "services are up");
  await daemon.waitForLog((line) => line.message === "registry login successful");
  const afterLogin = daemon.rss();

  const figures = new Map<string, Figures[]>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const load of await loads()) {
      figures.set(load.what, [...(figures.get(load.what) ?? []), await measure(daemon, load)]);
    }
    say(`round ${round} of ${ROUNDS}`);
  }
  const afterLoad = daemon.rss();
  await daemon.stop();
  report("requests", [
    `wrk, ${CONNECTIONS} connections, ${REFUSED_CONNECTIONS} for what is refused, ${ROUNDS} rounds of ${SECONDS} s each in turn; medians. The original's figures were measured earlier on another machine of this kind.`,
    "",
    "| request | a second | CPU each, us | the original |",
    "|---|---|---|---|",
    ...[...figures].map(
      ([what, rounds]) =>
        `| ${what} | ${Math.round(median(rounds.map(({ perSecond }) => perSecond)))} | ${Math.round(median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)))} | ${ORIGINAL[what] ?? ""} |`,
    ),
    "",
    `Resident memory: ${mega(afterLogin)} MB after the registry login, ${mega(afterLoad)} MB after all of the above (the original 6 and 12).`,
    `From exec to the first answer of /health: ${await startTimes(daemon)} ms (the original 14, with a stubbed docker).`,
  ]);
});

async function loads(): Promise<Load[]> {
  const forged = await signToken(newKeys());
  const body = Buffer.from('{"service":"web"}').toString("base64");
  return [
    { what: "GET /health", method: "GET", path: "/health", headers: {} },
    {
      what: "POST /deploy, no token",
      method: "POST",
      path: "/deploy",
      headers: {},
      body,
      connections: REFUSED_CONNECTIONS,
    },
    {
      what: "POST /deploy, forged token",
      method: "POST",
      path: "/deploy",
      headers: { Authorization: `Bearer ${forged}` },
      body,
      connections: REFUSED_CONNECTIONS,
    },
    { what: "unknown path", method: "GET", path: "/nope", headers: {} },
  ];
}

async function measure(daemon: Daemon, load: Load): Promise<Figures> {
  const { path, method, headers, body, connections = CONNECTIONS } = load;
  const script = `${daemon.stateDir}/load.lua`;
  await Bun.write(
    script,
    [
      `wrk.method = ${JSON.stringify(method)}`,
      ...(body === undefined ? [] : [`wrk.body = ${JSON.stringify(body)}`]),
      ...Object.entries(headers).map(
        ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
      ),
    ].join("\n"),
  );
  const before = cpuSeconds(daemon.pid);
  const { stdout } = await run([
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${SECONDS}`,
    "-s",
    script,
    daemon.url + path,
  ]);
  const cpu = cpuSeconds(daemon.pid) - before;
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    cpuMicroseconds: (cpu / requests) * 1_000_000,
  };
}

async function startTimes(daemon: Daemon): Promise<string> {
  const times: number[] = [];
  let last = daemon;
  for (let start = 0; start < STARTS; start += 1) {
    last = await last.startAgain();
    times.push(last.startedIn ?? Number.NaN);
    await last.stop();
  }
  return `${Math.round(median(times))} (${Math.round(Math.min(...times))}-${Math.round(Math.max(...times))}, ${STARTS} starts)`;
}

function mega(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}
