import { expect, test } from "bun:test";
import { renameSync } from "node:fs";

import type { Daemon } from "../support/daemon.ts";
import { eventsOf, idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { freePort } from "../support/free-port.ts";
import { expectVersionInside, lifeOf, lives, upByHand } from "../support/observe.ts";
import { peerService } from "../support/peer.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";
import { longestGap, startWitnesses, type Witnesses, wrongAnswers } from "../support/witnesses.ts";

const STRATEGIES = ["recreate", "rolling"] as const;
const STEPS = ["creating", "gating", "switching", "watching", "committed"];
const SUCCESS: [number, string] = [200, "deploy request successful for service web\n"];
/** Longer than Compose takes. */
const WATCH_SECONDS = 5;
const RUNS_DEADLINE = 15_000;
/** From when the deployment and the person are done, for whoever asks by name. */
const SERVES_WITHIN_MS = 5_000;
/** Two of each, there and back, on a machine that does seven other things: what recreate may be down. */
const STOPS_AND_STARTS_MS = 15_000;

for (const strategy of STRATEGIES) {
  for (const step of STEPS) {
    test.concurrent(
      `docker compose up -d by hand at "${step}" (${strategy}): one version serves, the one that the record says`,
      async () => {
        await using scene = await startWeb(strategy);
        const { project, daemon, aws, port } = scene;
        const image = aws.repository("web");
        await using witnesses = await startWitnesses(project, [{ service: "web", port }]);
        await witnesses.next("web", isOn("v1"));
        const since = Date.now();
        const accepted = await daemon.deploy(
          { service: "web", image: `${image}:v2` },
          { Prefer: "respond-async" },
        );
        const id = idOf(accepted);
        await untilPhase(daemon, id, step);
        // With the file alone, as somebody types it who does not know of pins: it wants v1.
        await project.tryCompose("up", "-d");
        const doneAt = Date.now();
        const { status, ended_at: endedAt } = await recordOf(daemon, id);
        expect(["succeeded", "rolled_back", "failed"]).toContain(status);
        const ended = Date.parse(endedAt ?? "");
        const serving = status === "succeeded" ? "v2" : "v1";
        // What is done after the end is the operator's word against the pin's.
        const isOperators = ended < doneAt;
        if (isOperators) await expectOneOf(scene, id, ["v1", "v2"]);
        else await expectVersionInside(project, "web", serving);

        // Compose took away what served, for as long as it liked: of the time until both were done nothing is promised but this.
        await witnesses.next("web", ({ version }) => version !== undefined, "peer");
        const done = Math.max(ended, doneAt);
        expect(longestGap(witnesses.answers("web", done, "peer"), done)).toBeLessThan(SERVES_WITHIN_MS);
        const events = await eventsOf(daemon, id);
        const answers = witnesses.answers("web", since).filter(({ at }) => !isOperators || at < ended);
        expect(wrongAnswers(answers, { old: "v1", candidate: "v2", serving, events })).toEqual([]);
        const next = await daemon.deploy({ service: "web", image: `${image}:v3` });
        expect([next.status, next.text]).toEqual(SUCCESS);
        await expectVersionInside(project, "web", "v3");
        const deployed = await lifeOf(project, "web");
        await upByHand(project, daemon);
        expect(await lifeOf(project, "web")).toEqual(deployed);
      },
    );
  }

  test.concurrent(
    `docker compose up -d by hand takes away a new version (${strategy}) that is slow to stop, after the commit: it is made anew`,
    async () => {
      await using scene = await startScene({
        compose: async (aws) => {
          await aws.publish("web", "v1", { drainFor: 0.3 });
          await aws.publish("web", "v2", { ignoresTerm: true });
          await aws.publish("web", "v3");
          await aws.publish("worker", "v1", { drainFor: 2 });
          await aws.publish("worker", "v2");
          // Longer than the worker's: then Compose has begun with the new container, and has not ended with it.
          const web = webFile(`${aws.repository("web")}:v1`, strategy, { watch: 1, grace: 6 });
          const worker = `  worker:\n    image: ${aws.repository("worker")}:v1\n    x-deployer: { strategy: rolling, health: /cgi-bin/health }\n`;
          return `${web}${worker}`;
        },
      });
      const { project, daemon, aws } = scene;
      const images = { worker: `${aws.repository("worker")}:v2`, web: `${aws.repository("web")}:v2` };
      const accepted = await daemon.deploy(
        { services: ["worker", "web"], images },
        { Prefer: "respond-async" },
      );
      const id = idOf(accepted);
      await untilPhase(daemon, id, "committed");
      await project.tryCompose("up", "-d", "web");
      const { status, reason } = await recordOf(daemon, id);
      expect(status).toBe("succeeded");
      await expectVersionInside(project, "web", "v2");
      await expectVersionInside(project, "worker", "v2");
      expect(reason).toContain('the new containers of "web" were taken away by somebody else');
      const next = await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v3` });
      expect([next.status, next.text]).toEqual(SUCCESS);
      const deployed = await lifeOf(project, "web");
      await upByHand(project, daemon);
      expect(await lifeOf(project, "web")).toEqual(deployed);
    },
  );

  test.concurrent(
    `a compose file broken by hand between two deployments (${strategy}) fails the second and touches nothing`,
    async () => {
      await using scene = await startWeb(strategy);
      const { project, daemon, aws, port } = scene;
      const image = aws.repository("web");
      const first = await daemon.deploy({ service: "web", image: `${image}:v2` });
      expect([first.status, first.text]).toEqual(SUCCESS);
      await using witnesses = await startWitnesses(project, [{ service: "web", port }]);
      await witnesses.next("web", isOn("v2"));
      const before = await lifeOf(project, "web");
      const since = Date.now();
      const good = await Bun.file(project.file).text();
      project.write(`${good}\n  - this is : [no YAML\n`);
      const broken = await daemon.deploy({ service: "web", image: `${image}:v3` });
      expect(broken.status).toBe(500);
      expect(broken.text).toMatch(/^unable to update service\n.*docker-compose\.yml/);
      expect(await lifeOf(project, "web")).toEqual(before);

      // The daemon does not need the file for what runs, nor to go on with it.
      expect(await daemon.stop()).toBe(0);
      await using again = await daemon.startAgain();
      await witnesses.next("web", isOn("v2"));
      expect(await lifeOf(project, "web")).toEqual(before);
      expect(witnesses.answers("web", since).filter(({ version }) => version !== "v2")).toEqual([]);
      project.write(good);
      const third = await again.deploy({ service: "web", image: `${image}:v3` });
      expect([third.status, third.text]).toEqual(SUCCESS);
      await witnesses.next("web", isOn("v3"), "peer");
      await expectVersionInside(project, "web", "v3");
    },
  );
}

test.concurrent(
  "a compose file broken by hand after the switch does not keep a failed deployment from its way back",
  async () => {
    await using scene = await startWeb("recreate");
    const { project, daemon, aws, port } = scene;
    await using witnesses = await startWitnesses(project, [{ service: "web", port }]);
    await witnesses.next("web", isOn("v1"));
    const before = await lifeOf(project, "web");
    const since = Date.now();
    const good = await Bun.file(project.file).text();
    const reply = daemon.deploy({ service: "web", image: `${aws.repository("web")}:exits-later` });
    const id = await startedId(daemon);
    await untilPhase(daemon, id, "watching");
    project.write("services: [\n");
    expect((await reply).status).toBe(500);
    expect(await recordOf(daemon, id)).toMatchObject({ status: "rolled_back" });
    await witnesses.next("web", isOn("v1"));
    expect((await lifeOf(project, "web")).id).toBe(before.id);
    const answers = witnesses.answers("web", since);
    const told = { old: "v1", candidate: "exits-later", events: await eventsOf(daemon, id) };
    expect(wrongAnswers(answers, { ...told, serving: "v1" })).toEqual([]);
    expect(longestGap(answers, since)).toBeLessThan(STOPS_AND_STARTS_MS);
    project.write(good);
  },
);

test.concurrent(
  "a rollback that fails is said loudly: by reply, record, log and services; a later deployment mends it",
  async () => {
    const port = freePort();
    await using scene = await startScene({
      compose: async (aws) => {
        // Slow to stop: time enough to take away what both versions need.
        await aws.publish("web", "v1", { ignoresTerm: true });
        await aws.publish("web", "v2");
        const needed = "{ type: bind, source: ./needed, target: /needed, read_only: true }";
        return webFile(`${aws.repository("web")}:v1`, "recreate", {
          port,
          more: `    volumes: [${needed}]\n`,
        });
      },
      files: { "needed/file": "" },
    });
    const { project, daemon, aws } = scene;
    await using witnesses = await startWitnesses(project, [{ service: "web", port }]);
    await witnesses.next("web", isOn("v1"));
    const since = Date.now();
    const image = `${aws.repository("web")}:v2`;
    const reply = daemon.deploy({ service: "web", image });
    const id = await startedId(daemon);
    await untilPhase(daemon, id, "switching");
    renameSync(`${project.dir}/needed`, `${project.dir}/away`);
    const { status, text } = await reply;
    expect(status).toBe(500);
    expect(text).toMatch(/\/needed/);
    expect(text).toMatch(/rollback failed/i);
    expect(text).toMatch(/what serves now: nothing/);
    const record = await recordOf(daemon, id);
    expect(record.status).toBe("rollback_failed");
    expect(text).toContain(record.reason);
    const events = await eventsOf(daemon, id);
    expect(events.at(-1)).toMatchObject({ phase: "ended", level: "error" });
    // Nothing serves, as it said: neither version is there in a state that nobody has judged.
    await witnesses.next("web", ({ failure }) => failure !== undefined);
    const answers = witnesses.answers("web", since);
    expect(wrongAnswers(answers, { old: "v1", candidate: "v2", serving: undefined, events })).toEqual([]);
    expect(answers.filter(isOn("v2"))).toEqual([]);
    expect(daemon.log().some(({ level, message }) => level === "error" && /rollback/.test(message))).toBe(
      true,
    );

    renameSync(`${project.dir}/away`, `${project.dir}/needed`);
    const mended = await daemon.deploy({ service: "web", image });
    expect([mended.status, mended.text]).toEqual(SUCCESS);
    await witnesses.next("web", isOn("v2"));
  },
);

/** Either is right, as long as one serves. */
async function expectOneOf({ project, daemon }: Scene, id: string, versions: string[]): Promise<void> {
  const waiting = waitFor(`one of ${versions.join(", ")} to run`, RUNS_DEADLINE, async () => {
    const [life, ...others] = await lives(project, "web");
    if (life === undefined || others.length > 0 || life.state !== "running") return false;
    return versions.some((version) => life.image.includes(`:${version}`));
  });
  await waiting.catch(async (cause: unknown) => {
    const told = (await eventsOf(daemon, id)).map(({ at, text }) => `${at} ${text}`);
    const found = (await lives(project, "web")).map((life) => JSON.stringify(life));
    throw new Error(["there is", ...found, "and was told", ...told].join("\n"), { cause });
  });
}

async function startedId(daemon: Daemon): Promise<string> {
  const { fields } = await daemon.waitForLog(({ message }) => message === "deployment started");
  return String(fields?.["deployment"]);
}

type WebScene = Scene & {
  /** Where this machine finds `recreate`. */
  port: number | undefined;
};

async function startWeb(strategy: (typeof STRATEGIES)[number]): Promise<WebScene> {
  const port = strategy === "recreate" ? freePort() : undefined;
  const scene = await startScene({
    compose: async (aws) => {
      for (const version of ["v1", "v2", "v3"]) await aws.publish("web", version, { drainFor: 0.3 });
      await aws.publish("web", "exits-later", { crashAfter: 2 });
      return webFile(`${aws.repository("web")}:v1`, strategy, { port });
    },
  });
  return { ...scene, port };
}

type WebFile = { port?: number | undefined; watch?: number; grace?: number; more?: string };

function webFile(
  image: string,
  strategy: string,
  { port, watch = WATCH_SECONDS, grace = 2, more = "" }: WebFile,
): string {
  const ports = port === undefined ? "" : `    ports: ["127.0.0.1:${port}:8080"]\n`;
  return `services:
  web:
    image: ${image}
    stop_grace_period: ${grace}s
    x-deployer: { strategy: ${strategy}, watch: ${watch}s, health: /cgi-bin/health }
${ports}${more}${peerService(image)}`;
}

function isOn(wanted: string): Parameters<Witnesses["next"]>[1] {
  return ({ version }) => version === wanted;
}
