import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Diagnosis } from "../src/core/deployment.ts";
import { AUTHORIZED, fakeDaemon } from "../src/http/fake-daemon.ts";
import { serve } from "../src/http/serve.ts";
import { openStore, type OpenStore } from "../src/sqlite/store.ts";
import { type Daemon, startDaemon } from "../test/support/daemon.ts";
import { run } from "../test/support/run.ts";
import { median, report, spread } from "./report.ts";
import { say } from "./stage.ts";

/**
 * `bun bench/history.ts`: at the limit of what is kept, `GET /deployments` by HTTP from the real store, and the start of
 * the built daemon against one without history, in turn. It needs no Docker: the daemon answers before it looks for one.
 */

const DEPLOYMENTS = 10_000;
const EVENTS_EACH = 50;
const SERVICES = ["web", "api", "worker", "mail", "cron"];
const STATUSES = ["succeeded", "succeeded", "succeeded", "succeeded", "succeeded", "failed", "rolled_back"];
const REQUESTS = 2_000;
const STARTS = 25;
const BINARY = `${process.cwd()}/.test/deployer-service`;

const QUERIES = [
  "",
  "?limit=200",
  "?service=web",
  "?status=rolled_back",
  "?service=web&status=rolled_back&limit=200",
  "?service=sidecar",
  "?service=nobody",
  "?before=MIDDLE",
];

const folder = mkdtempSync(join(tmpdir(), "bench-history-"));
try {
  await measure();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const middle = fill(folder);
  say(`${DEPLOYMENTS} deployments, ${DEPLOYMENTS * EVENTS_EACH} events`);
  const store = openStore(folder);
  const size = Math.round(statSync(join(folder, "deployer.db")).size / 1024 ** 2);
  const listings = await list(store, middle);
  const batch = prune(store);
  store.close();
  const starts = await start();
  report("history", [
    `${DEPLOYMENTS} deployments, ${DEPLOYMENTS * EVENTS_EACH} events, ${size} MiB.`,
    "",
    `GET over loopback, ${REQUESTS} of each; milliseconds (promised: p99 at most 10).`,
    "",
    "| request | p50 | p99 | most |",
    "|---|---|---|---|",
    ...listings,
    "",
    `Forgetting: a step of 20 deployments with their events blocks for ${batch} ms, median (least-most).`,
    "",
    `From exec to the first answer of /health, ${STARTS} starts each, in turn; milliseconds, median (least-most).`,
    "",
    "| start | | to empty, after a stop |",
    "|---|---|---|",
    ...starts,
  ]);
}

/** @returns the place in the middle of the list, for a page from there on */
function fill(stateDir: string): string {
  openStore(stateDir).close();
  const database = new Database(join(stateDir, "deployer.db"), { strict: true });
  database.run("PRAGMA synchronous = OFF");
  const deployment = database.query(
    `INSERT INTO deployments (id, kind, force, issuer, status, reason, code, changed, attempts, created_at, started_at, ended_at)
     VALUES ($id, 'deploy', 0, 'github-actions', $status, $reason, NULL, 1, 1, $at, $at, $at)`,
  );
  const diagnosis = database.query("INSERT INTO diagnoses (deployment, containers) VALUES (?, ?)");
  const part = database.query(
    `INSERT INTO parts (deployment, position, service, image, digest, created_at, status)
     VALUES ($id, $position, $service, $image, $digest, $at, $status)`,
  );
  const event = database.query(
    "INSERT INTO events (deployment, seq, at, phase, level, text) VALUES (?, ?, ?, 'log', 'info', ?)",
  );
  const digest = `sha256:${"ab".repeat(32)}`;
  const registry = "123456789012.dkr.ecr.us-west-2.amazonaws.com";
  const end = Date.now();
  const atOf = (n: number): number => end - (DEPLOYMENTS - n) * 60_000;
  const idOf = (n: number): string => `d${String(n).padStart(13, "0")}`;
  database.transaction(() => {
    for (let n = 0; n < DEPLOYMENTS; n += 1) {
      const service = SERVICES[n % SERVICES.length] ?? "";
      const status = STATUSES[n % STATUSES.length] ?? "";
      const reason =
        status === "succeeded"
          ? ""
          : `container 0123456789ab of service "${service}" exited with code 3\nwhat serves now: ${registry}/${service}:v${n}@${digest} in container 0123456789ab`;
      deployment.run({
        id: idOf(n),
        status,
        reason,
        at: atOf(n),
      });
      if (status !== "succeeded") diagnosis.run(idOf(n), JSON.stringify([diagnosisOf(service)]));
      // Every third is one of two services.
      for (const [position, each] of [service, ...(n % 3 === 0 ? ["sidecar"] : [])].entries()) {
        const image = `${registry}/${each}:v${n}`;
        part.run({ id: idOf(n), position, service: each, image, digest, at: atOf(n), status });
      }
      for (let seq = 1; seq <= EVENTS_EACH; seq += 1)
        event.run(
          idOf(n),
          seq,
          atOf(n),
          `event ${seq}: ${registry}/${service}:v${n}@${digest} is on this host`,
        );
    }
  })();
  database.close();
  return `${atOf(DEPLOYMENTS / 2)}-${idOf(DEPLOYMENTS / 2)}`;
}

/** As large as they get. */
function diagnosisOf(service: string): Diagnosis {
  return {
    service,
    container: "0123456789ab",
    exitCode: 3,
    signal: undefined,
    oomKilled: false,
    restarts: 0,
    health: "HTTP 503",
    output: Array.from({ length: 50 }, (_, n) => `line ${n} ${"of what it printed ".repeat(5)}`),
  };
}

async function list(store: OpenStore, middle: string): Promise<string[]> {
  const { daemon } = fakeDaemon({ list: (query) => store.list(query) });
  const server = serve(daemon, { port: 0, bindAddress: "127.0.0.1" });
  const rows: string[] = [];
  for (const query of QUERIES) {
    const url = `${server.url}/deployments${query.replace("MIDDLE", middle)}`;
    const times: number[] = [];
    for (let n = 0; n < REQUESTS; n += 1) {
      const begin = performance.now();
      const reply = await fetch(url, { headers: AUTHORIZED });
      await reply.arrayBuffer();
      if (reply.status !== 200) throw new Error(`${url}: ${reply.status}`);
      times.push(performance.now() - begin);
    }
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share: number): string =>
      (sorted[Math.floor(share * (REQUESTS - 1))] ?? Number.NaN).toFixed(1);
    rows.push(`| \`/deployments${query}\` | ${at(0.5)} | ${at(0.99)} | ${at(1)} |`);
    say(`/deployments${query}`);
  }
  await server.stop(1_000);
  return rows;
}

function prune(store: OpenStore): string {
  const times: number[] = [];
  for (let kept = DEPLOYMENTS - 20; kept > DEPLOYMENTS - 400; kept -= 20) {
    const begin = performance.now();
    const gone = store.prune({ createdBefore: 0, keep: kept, batch: 20 });
    if (gone !== 20) throw new Error(`${gone} were forgotten`);
    times.push(performance.now() - begin);
  }
  return `${median(times).toFixed(1)} (${Math.min(...times).toFixed(1)}-${Math.max(...times).toFixed(1)})`;
}

type Start = {
  name: string;
  full: boolean;
  signal: NodeJS.Signals;
  /** The host has been started anew since. */
  isNewBoot?: boolean;
  times: number[];
};

async function start(): Promise<string[]> {
  await run([process.execPath, "build.ts", "--outfile", BINARY, "--version", "v1.2.3"]);
  const starts: Start[] = [
    { name: "empty, after a stop", full: false, signal: "SIGTERM", times: [] },
    { name: "full, after a stop", full: true, signal: "SIGTERM", times: [] },
    { name: "empty, after a kill", full: false, signal: "SIGKILL", times: [] },
    { name: "full, after a kill", full: true, signal: "SIGKILL", times: [] },
    {
      name: "full, after the host went down: the whole file is checked",
      full: true,
      signal: "SIGKILL",
      isNewBoot: true,
      times: [],
    },
  ];
  await using empty = await newDaemon();
  await using full = await newDaemon();
  await Promise.all([empty.stop(), full.stop()]);
  fill(full.stateDir);
  // The first start after the filling finds no mark of a stop: it is not measured.
  await (await full.startAgain()).stop();
  for (let round = 1; round <= STARTS; round += 1) {
    for (const { full: isFull, signal, isNewBoot = false, times } of starts) {
      const daemon = isFull ? full : empty;
      await (await daemon.startAgain()).stop(signal);
      if (isNewBoot) pretendNewBoot(daemon.stateDir);
      const measured = await daemon.startAgain();
      times.push(measured.startedIn ?? Number.NaN);
      await measured.stop();
    }
    say(`round ${round} of ${STARTS}`);
  }
  const base = median(starts[0]?.times ?? []);
  return starts.map(
    ({ name, times }) => `| ${name} | ${spread(times)} | ${(median(times) / base).toFixed(2)} |`,
  );
}

/** As if the database had last been used under another start of the host. */
function pretendNewBoot(stateDir: string): void {
  const database = new Database(join(stateDir, "deployer.db"));
  database.run("UPDATE facts SET value = 'another' WHERE name = 'boot'");
  database.close();
}

/** Its Docker and AWS are not there, which it says in its log and goes on. */
function newDaemon(): Promise<Daemon> {
  return startDaemon({
    binary: BINARY,
    dockerHost: `unix://${folder}/no-docker.sock`,
    composeFile: `${folder}/docker-compose.yml`,
    ecrDomain: "127.0.0.1:9",
    ecrUrl: "http://127.0.0.1:9",
  });
}
