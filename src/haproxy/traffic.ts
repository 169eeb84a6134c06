import type { Measurement } from "../core/edge.ts";
import type { Clock, Log } from "../core/ports.ts";
import { publicMessage } from "../core/errors.ts";
import { createCli } from "./cli.ts";
import { type EventStream, openEventStream } from "./event-stream.ts";
import { createTally } from "./tally.ts";

/** A reload makes a new worker: its lines since it began are read when it is found, and its ring holds those of seconds. */
const LOOK_MS = 250;
const OPEN_DEADLINE_MS = 2_000;
/** What is logged is here well before. */
const SETTLE_MS = 100;

/** A worker of a proxy: process ids come again when a container starts anew. */
type Worker = { id: string; pid: string };
type Followed = Worker & { runDir: string; stream: EventStream };

/**
 * Counts requests from what the proxy's workers log, from now on. After a reload, or when another proxy has taken over, the new
 * worker is followed from its beginning, and the old one until its last connection is gone: our own would keep it alive.
 */
export async function measureTraffic(
  { clock, log }: { clock: Clock; log: Log },
  runDir: () => string,
  services: readonly string[],
): Promise<Measurement> {
  const tally = createTally(services);
  const followed = new Map<string, Followed>();
  const known = new Set<string>();
  const stopping = new AbortController();
  let isComplete = true;

  async function look(from: "its beginning" | "now"): Promise<void> {
    const dir = runDir();
    const worker = workerOf(await createCli(dir).ask("show info"), dir);
    if (!followed.has(worker.id)) {
      // One that was followed before has told what it logged until it was lost.
      const stream = openEventStream(dir, known.has(worker.id) ? "now" : from, (line) => tally.add(line));
      known.add(worker.id);
      followed.set(worker.id, { ...worker, runDir: dir, stream });
      void stream.ended.then(() => followed.delete(worker.id));
      // One that stands still is not waited for: its lines come when it goes on.
      await Promise.race([stream.opened, clock.sleep(OPEN_DEADLINE_MS)]);
    }
    const left = [...followed.values()].filter(({ id }) => id !== worker.id);
    await Promise.all(left.map(leaveWhenIdle));
  }

  async function leaveWhenIdle({ runDir, pid, stream }: Followed): Promise<void> {
    // One that cannot be asked keeps its stream, which ends with it.
    const infos: string[] = await createCli(runDir)
      .askEvery("show info")
      .catch(() => []);
    const info = infos.find((each) => field(each, "Pid") === pid) ?? "";
    if (field(info, "Stopping") !== "1" || field(info, "CurrConns") !== "0") return;
    await clock.sleep(SETTLE_MS);
    stream.close();
  }

  async function lookOn(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(LOOK_MS, stopping.signal).catch(() => undefined);
      await look("its beginning").catch(() => undefined);
    }
  }

  try {
    await look("now");
  } catch (error) {
    isComplete = false;
    log.warn("the requests of this deployment are not counted", { reason: publicMessage(error) });
  }
  const looking = isComplete ? lookOn() : Promise.resolve();
  return {
    async stop() {
      stopping.abort();
      await looking;
      await clock.sleep(SETTLE_MS);
      for (const { stream } of followed.values()) stream.close();
      return isComplete ? tally.traffic() : new Map();
    },
  };
}

function workerOf(info: string, runDir: string): Worker {
  const pid = field(info, "Pid");
  return { pid, id: `${runDir} ${pid} ${field(info, "Start_time_sec")}` };
}

/** Of `show info`, section 9.3 of HAProxy's management guide. */
function field(info: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, "m").exec(info)?.[1] ?? "";
}
