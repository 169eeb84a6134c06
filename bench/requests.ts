import { generateKeyPairSync, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Daemon } from "../test/support/daemon.ts";
import { freePort } from "../test/support/free-port.ts";
import { newKeys, signToken } from "../test/support/keys.ts";
import { cpuSeconds } from "../test/support/process-cpu.ts";
import { hasCommand, run } from "../test/support/run.ts";
import { waitFor } from "../test/support/wait.ts";
import { stageDaemon, stageProject, startAws } from "../test/support/stage.ts";
import { median, report } from "./report.ts";
import { onStage, say } from "./stage.ts";

/**
 * `bun bench/requests.ts`: requests a second, CPU a request and memory of the built daemon, under one wrk on the other core; in
 * the same rounds a server of the same runtime that does nothing but answer, and what one check of a signature takes:
 * machines differ, ratios to these do not.
 */

const ROUNDS = 3;
const SECONDS = 3;
const CONNECTIONS = 32;
/** More than twice the answers that are held back when requests are refused so often. */
const REFUSED_CONNECTIONS = 1_280;
const STARTS = 15;
const START_DEADLINE = 10_000;
const CHECKS = 5_000;
const BARE = "a bare server of the same runtime";
const MEGABYTE = 1024 * 1024;

type Load = {
  what: string;
  path: string;
  method: string;
  headers: Record<string, string>;
  body?: string;
  connections?: number;
};
/** What is measured of a server, and a folder for what that takes. */
type Server = Pick<Daemon, "url" | "pid" | "stateDir">;
type Figures = { perSecond: number; cpuMicroseconds: number };

const HEALTH: Load = { what: "GET /health", method: "GET", path: "/health", headers: {} };
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

  await using bare = await startBare();
  const figures = new Map<string, Figures[]>();
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const load of await loads()) {
      figures.set(load.what, [...(figures.get(load.what) ?? []), await measure(daemon, load)]);
    }
    figures.set(BARE, [...(figures.get(BARE) ?? []), await measure(bare, HEALTH)]);
    say(`round ${round} of ${ROUNDS}`);
  }
  const afterLoad = daemon.rss();
  await daemon.stop();
  const control = medianOf(figures.get(BARE) ?? []);
  report("requests", [
    `wrk, ${CONNECTIONS} connections, ${REFUSED_CONNECTIONS} for what is refused, ${ROUNDS} rounds of ${SECONDS} s each in turn; medians. The original's figures are of another, faster machine.`,
    "",
    "| request | a second | CPU each, us | CPU in bare answers | the original |",
    "|---|---|---|---|---|",
    ...[...figures].map(([what, rounds]) => rowOf(what, medianOf(rounds), control)),
    "",
    `One check of an RS256 signature with 2048 bits, by itself: ${Math.round(checkMicroseconds())} us.`,
    `Resident memory: ${mega(afterLogin)} MB after the registry login, ${mega(afterLoad)} MB after all of the above (the original 6 and 12).`,
    `From exec to the first answer of /health: ${await startTimes(daemon)} ms (the original 14, with a stubbed docker).`,
  ]);
});

function rowOf(what: string, { perSecond, cpuMicroseconds }: Figures, control: Figures): string {
  const ratio = (cpuMicroseconds / control.cpuMicroseconds).toFixed(1);
  return `| ${what} | ${Math.round(perSecond)} | ${Math.round(cpuMicroseconds)} | ${ratio} | ${ORIGINAL[what] ?? ""} |`;
}

function medianOf(rounds: readonly Figures[]): Figures {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    cpuMicroseconds: median(rounds.map(({ cpuMicroseconds }) => cpuMicroseconds)),
  };
}

/** The runtime alone, in a process of its own. */
async function startBare(): Promise<Server & AsyncDisposable> {
  const folder = mkdtempSync(join(tmpdir(), "bench-bare-"));
  const port = freePort();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "bare-main.ts"), String(port)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor("the bare server", START_DEADLINE, () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    url,
    pid: child.pid,
    stateDir: folder,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      rmSync(folder, { recursive: true });
    },
  };
}

function checkMicroseconds(): number {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const data = Buffer.alloc(300, "a");
  const signature = sign("sha256", data, privateKey);
  const began = process.cpuUsage();
  for (let n = 0; n < CHECKS; n += 1) verify("sha256", data, publicKey, signature);
  const { user, system } = process.cpuUsage(began);
  return (user + system) / CHECKS;
}

async function loads(): Promise<Load[]> {
  const forged = await signToken(newKeys());
  const body = Buffer.from('{"service":"web"}').toString("base64");
  return [
    HEALTH,
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

async function measure(daemon: Server, load: Load): Promise<Figures> {
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
