import { expect, test } from "bun:test";
import { renameSync } from "node:fs";

import type { Daemon } from "../support/daemon.ts";
import { eventsOf, idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { expectVersionInside, lifeOf, lives, upByHand } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

const STRATEGIES = ["recreate", "rolling"] as const;
const STEPS = ["creating", "gating", "switching", "watching", "committed"];
const SUCCESS: [number, string] = [200, "deploy request successful for service web\n"];
/** Longer than Compose takes. */
const WATCH_SECONDS = 8;
const RUNS_DEADLINE = 15_000;

for (const strategy of STRATEGIES) {
  for (const step of STEPS) {
    test.concurrent(
      `docker compose up -d by hand at "${step}" (${strategy}): one version serves, the one that the record says`,
      async () => {
        await using scene = await startWeb(strategy);
        const { project, daemon, aws } = scene;
        const image = aws.repository("web");
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
        // What is done after the end is the operator's word against the pin's.
        if (Date.parse(endedAt ?? "") < doneAt) await expectOneOf(scene, ["v1", "v2"]);
        else await expectVersionInside(project, "web", status === "succeeded" ? "v2" : "v1");
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
    `a compose file broken by hand between two deployments (${strategy}) fails the second and touches nothing`,
    async () => {
      await using scene = await startWeb(strategy);
      const { project, daemon, aws } = scene;
      const image = aws.repository("web");
      const first = await daemon.deploy({ service: "web", image: `${image}:v2` });
      expect([first.status, first.text]).toEqual(SUCCESS);
      const before = await lifeOf(project, "web");
      const good = await Bun.file(project.file).text();
      project.write(`${good}\n  - this is : [no YAML\n`);
      const broken = await daemon.deploy({ service: "web", image: `${image}:v3` });
      expect(broken.status).toBe(500);
      expect(broken.text).toMatch(/^unable to update service\n.*docker-compose\.yml/);
      expect(await lifeOf(project, "web")).toEqual(before);

      // The daemon does not need the file for what runs, nor to go on with it.
      expect(await daemon.stop()).toBe(0);
      await using again = await daemon.startAgain();
      expect(await lifeOf(project, "web")).toEqual(before);
      project.write(good);
      const third = await again.deploy({ service: "web", image: `${image}:v3` });
      expect([third.status, third.text]).toEqual(SUCCESS);
      await expectVersionInside(project, "web", "v3");
    },
  );
}

test.concurrent(
  "a compose file broken by hand after the switch does not keep a failed deployment from its way back",
  async () => {
    await using scene = await startWeb("recreate");
    const { project, daemon, aws } = scene;
    const before = await lifeOf(project, "web");
    const good = await Bun.file(project.file).text();
    const reply = daemon.deploy({ service: "web", image: `${aws.repository("web")}:exits-later` });
    const id = await startedId(daemon);
    await untilPhase(daemon, id, "watching");
    project.write("services: [\n");
    expect((await reply).status).toBe(500);
    expect(await recordOf(daemon, id)).toMatchObject({ status: "rolled_back" });
    await expectVersionInside(project, "web", "v1");
    expect((await lifeOf(project, "web")).id).toBe(before.id);
    project.write(good);
  },
);

test.concurrent(
  "a rollback that fails is said loudly: by reply, record, log and services; a later deployment mends it",
  async () => {
    await using scene = await startScene({
      compose: async (aws) => {
        // Slow to stop: time enough to take away what both versions need.
        await aws.publish("web", "v1", { ignoresTerm: true });
        await aws.publish("web", "v2");
        const needed = "{ type: bind, source: ./needed, target: /needed, read_only: true }";
        return webFile(`${aws.repository("web")}:v1`, "recreate", `    volumes: [${needed}]\n`);
      },
      files: { "needed/file": "" },
    });
    const { project, daemon, aws } = scene;
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
    expect((await eventsOf(daemon, id)).at(-1)).toMatchObject({ phase: "ended", level: "error" });
    expect(daemon.log().some(({ level, message }) => level === "error" && /rollback/.test(message))).toBe(
      true,
    );

    renameSync(`${project.dir}/away`, `${project.dir}/needed`);
    const mended = await daemon.deploy({ service: "web", image });
    expect([mended.status, mended.text]).toEqual(SUCCESS);
    await expectVersionInside(project, "web", "v2");
  },
);

/** Either is right, as long as one serves. */
async function expectOneOf({ project }: Scene, versions: string[]): Promise<void> {
  await waitFor(`one of ${versions.join(", ")} to run`, RUNS_DEADLINE, async () => {
    const [life, ...others] = await lives(project, "web");
    if (life === undefined || others.length > 0 || life.state !== "running") return false;
    return versions.some((version) => life.image.includes(`:${version}`));
  });
}

async function startedId(daemon: Daemon): Promise<string> {
  const { fields } = await daemon.waitForLog(({ message }) => message === "deployment started");
  return String(fields?.["deployment"]);
}

function startWeb(strategy: (typeof STRATEGIES)[number]): Promise<Scene> {
  return startScene({
    compose: async (aws) => {
      for (const version of ["v1", "v2", "v3"]) await aws.publish("web", version);
      await aws.publish("web", "exits-later", { crashAfter: 2 });
      return webFile(`${aws.repository("web")}:v1`, strategy);
    },
  });
}

function webFile(image: string, strategy: string, more = ""): string {
  return `services:
  web:
    image: ${image}
    stop_grace_period: 2s
    x-deployer: { strategy: ${strategy}, watch: ${WATCH_SECONDS}s, health: /cgi-bin/health }
${more}`;
}
