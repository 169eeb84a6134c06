import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "bun:test";

import type { Daemon } from "./daemon.ts";
import { deploymentIds, idOf, recordOf } from "./deployment-record.ts";
import { freePort } from "./free-port.ts";
import { lives } from "./observe.ts";
import { type Peer, peerService, startHostPeer, startPeer } from "./peer.ts";
import { run } from "./run.ts";
import { type Scene, startScene, waitUntilUp } from "./scene.ts";
import { STOP_AT, STOPPED_AT } from "./stop-points.ts";
import { waitFor } from "./wait.ts";

/** When the daemon is killed: at a stop point, or so many milliseconds after the request was sent. */
type Kill = { point: number } | { afterMs: number };

/** How a deployment went whose daemon was killed. */
export type KillResult = {
  strategy: Strategy;
  /** The stop point, or `ended` when the deployment did before its daemon was killed. */
  at: string;
  /** Undefined when it was not accepted. */
  status: string | undefined;
  /** From the start of the next daemon until somebody served. */
  servedAfterMs: number;
};

/** A project whose daemon can be killed again and again, each time in another deployment. */
export type KillLane = {
  strategy: Strategy;
  /**
   * Deploys a new version, has the daemon killed meanwhile and started again, and expects all that must hold then.
   * @param next the stop point of the next kill, if that is known: saves a start of the daemon
   */
  kill(kill: Kill, next?: number): Promise<KillResult>;
  /** Milliseconds that a deployment takes which nobody disturbs. */
  undisturbed: number;
  [Symbol.asyncDispose](): Promise<void>;
};

type Strategy = "recreate" | "rolling";

/** What each deployment brings: a version that does well, or one that crashes while it is watched. */
export type Candidate = "good" | "crashes";

const SERVES_WITHIN_MS = 5_000;
/** Of the test app, on a machine that does other things too: what recreate may be down on top of it. */
const STOP_AND_START_MS = 3_000;
const TIDY_DEADLINE = 10_000;
const KILL_DEADLINE = 60_000;
/** The last stop points come after the end that the caller is told. */
const TIDY_PAUSE = 500;
const PER_SECOND = 20;
const SIGKILLED = 137;
/** Seconds: a candidate that crashes has passed the gate by then, most often, and is watched still. */
const CRASHES_AFTER = 2.5;
const WATCH = { good: 1, crashes: 4 };

/** Builds the daemon with stop points. @returns its path */
export async function buildWithStopPoints(): Promise<string> {
  const outfile = join(tmpdir(), `dstest-stop-points-${crypto.randomUUID().slice(0, 8)}`);
  const entry = join(import.meta.dir, "stop-points-main.ts");
  await run([process.execPath, "build.ts", "--entry", entry, "--outfile", outfile]);
  return outfile;
}

export async function startKillLane(
  strategy: Strategy,
  binary: string,
  candidate: Candidate = "good",
): Promise<KillLane> {
  const stack = new AsyncDisposableStack();
  try {
    const port = freePort();
    const scene = stack.use(
      await startScene({
        compose: async (aws) => {
          await aws.publish("web", "v0", { drainFor: 0.3 });
          return composeFile(`${aws.repository("web")}:v0`, strategy, port, WATCH[candidate]);
        },
        files: { "before/ran": "" },
        daemon: { binary },
      }),
    );
    const hostUrl = `http://127.0.0.1:${port}/`;
    const peerUrl = "http://web:8080/";
    const peer =
      strategy === "rolling"
        ? stack.use(await startPeer(scene.project, [{ url: peerUrl, perSecond: PER_SECOND }]))
        : stack.use(await startHostPeer([{ url: hostUrl, perSecond: PER_SECOND }]));
    const url = strategy === "rolling" ? peerUrl : hostUrl;
    const lane = new Lane(scene, strategy, candidate, peer, url, stack);
    const undisturbed = await lane.deployUndisturbed();
    return {
      strategy,
      undisturbed,
      kill: (kill, next) => lane.kill(kill, next),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

class Lane {
  #daemon: Daemon;
  /** What serves by decision of the last deployment that succeeded. */
  #serving = "v0";
  #number = 0;

  readonly #scene: Scene;
  readonly #strategy: Strategy;
  readonly #candidate: Candidate;
  readonly #peer: Peer;
  readonly #url: string;
  readonly #stack: AsyncDisposableStack;

  constructor(
    scene: Scene,
    strategy: Strategy,
    candidate: Candidate,
    peer: Peer,
    url: string,
    stack: AsyncDisposableStack,
  ) {
    this.#daemon = scene.daemon;
    this.#scene = scene;
    this.#strategy = strategy;
    this.#candidate = candidate;
    this.#peer = peer;
    this.#url = url;
    this.#stack = stack;
  }

  async deployUndisturbed(): Promise<number> {
    const version = await this.#publish("good");
    const begin = Date.now();
    const reply = await this.#daemon.deploy({ service: "web", image: this.#image(version) });
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
    this.#serving = version;
    return Date.now() - begin;
  }

  async kill(kill: Kill, next?: number): Promise<KillResult> {
    if ("point" in kill && this.#daemon.env[STOP_AT] !== String(kill.point)) {
      await this.#startAgain(kill.point);
      await waitUntilUp(this.#daemon);
    }
    const version = await this.#publish(this.#candidate);
    const known = new Set(await deploymentIds(this.#daemon));
    const since = Date.now();
    const daemon = this.#daemon;
    const accepted = daemon
      .deploy({ service: "web", image: this.#image(version) }, { Prefer: "respond-async" })
      .then(idOf)
      .catch(() => undefined);
    const isKilled = "point" in kill ? diesByItself(daemon, accepted) : killAfter(daemon, kill.afterMs);
    const promised = await accepted;
    const at = (await isKilled) ? (STOPPED_AT.exec(daemon.noise())?.[1] ?? "a random instant") : "ended";

    const restarted = Date.now();
    await this.#startAgain(next);
    const allowed = SERVES_WITHIN_MS + (this.#strategy === "recreate" ? STOP_AND_START_MS : 0);
    await this.#peer.next(this.#url, ({ version }) => version !== undefined, allowed);
    const servedAfterMs = Date.now() - restarted;
    const [id, ...others] = (await deploymentIds(this.#daemon)).filter((each) => !known.has(each));
    expect(others).toEqual([]);
    // A caller who was told that it is accepted finds it; one who was not may, too.
    if (promised !== undefined) expect(id).toBe(promised);
    const status = id === undefined ? undefined : (await recordOf(this.#daemon, id)).status;
    await this.#expectTruth(version, status, since);
    return { strategy: this.#strategy, at, status, servedAfterMs };
  }

  async #expectTruth(version: string, status: string | undefined, since: number): Promise<void> {
    const ends = this.#candidate === "good" ? ["succeeded", "failed"] : ["rolled_back", "failed"];
    if (status !== undefined) expect(status).toBeOneOf(ends);
    const old = this.#serving;
    if (status === "succeeded") this.#serving = version;
    await this.#peer.next(this.#url, (answer) => answer.version === this.#serving);
    await waitFor("exactly one container", TIDY_DEADLINE, async () => {
      const all = await lives(this.#scene.project, "web");
      return all.length === 1 && all[0]?.state === "running";
    }).catch(async (cause: unknown) => {
      throw new Error(JSON.stringify(await lives(this.#scene.project, "web"), undefined, 1), { cause });
    });
    const timesRan = this.#timesBeforeRan(version);
    expect(timesRan).toBeLessThanOrEqual(1);
    if (status === "succeeded") expect(timesRan).toBe(1);
    const answers = this.#peer.answers(this.#url, since);
    const versions = new Set(answers.map((answer) => answer.version).filter((each) => each !== undefined));
    expect([...versions].filter((each) => each !== old && each !== version)).toEqual([]);
    if (this.#strategy === "rolling")
      expect(answers.filter(({ failure }) => failure !== undefined)).toEqual([]);
  }

  #timesBeforeRan(version: string): number {
    const lines = readFileSync(join(this.#scene.project.dir, "before/ran"), "utf8").split("\n");
    return lines.filter((line) => line === version).length;
  }

  async #startAgain(point: number | undefined): Promise<void> {
    if ((await Promise.race([this.#daemon.exit, Bun.sleep(0)])) === undefined)
      await this.#daemon.stop("SIGKILL");
    this.#daemon = this.#stack.use(await this.#daemon.startAgain({ [STOP_AT]: String(point ?? "") }));
  }

  async #publish(candidate: Candidate): Promise<string> {
    this.#number += 1;
    const version = `v${this.#number}`;
    const crash = candidate === "crashes" ? { crashAfter: CRASHES_AFTER } : {};
    await this.#scene.aws.publish("web", version, { drainFor: 0.3, ...crash });
    return version;
  }

  #image(version: string): string {
    return `${this.#scene.aws.repository("web")}:${version}`;
  }
}

/** False when the deployment ended before its stop point came. */
async function diesByItself(daemon: Daemon, accepted: Promise<string | undefined>): Promise<boolean> {
  const died = daemon.exit.then(() => true);
  const id = await accepted;
  if (id === undefined) return await Promise.race([died, Bun.sleep(KILL_DEADLINE).then(() => false)]);
  const ended = recordOf(daemon, id).then(
    () => Bun.sleep(TIDY_PAUSE).then(() => false),
    () => died,
  );
  return await Promise.race([died, ended]);
}

async function killAfter(daemon: Daemon, milliseconds: number): Promise<boolean> {
  await Bun.sleep(milliseconds);
  return (await daemon.stop("SIGKILL")) === SIGKILLED;
}

/** `before` may not run twice: it writes down each time that it runs, and for which version. */
function composeFile(image: string, strategy: Strategy, port: number, watch: number): string {
  const before = `["/bin/sh", "-c", "cat /www/index.html >> /before/ran; echo >> /before/ran"]`;
  const ports = strategy === "recreate" ? `    ports: ["127.0.0.1:${port}:8080"]\n` : "";
  return `services:
  web:
    image: ${image}
    stop_grace_period: 2s
    volumes: ["./before:/before"]
    x-deployer:
      strategy: ${strategy}
      shared_volumes: true
      watch: ${watch}s
      health: /cgi-bin/health
      before: [${before}]
${ports}${peerService(image)}`;
}
