import { expect, test } from "bun:test";

import { z } from "zod";

import type { Daemon, Reply } from "../support/daemon.ts";
import { expectVersion, lives } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";

const ALTERNATING = 10;

const Deployment = z.object({
  status: z.string(),
  changed: z.boolean(),
  started_at: z.string().nullable(),
  ended_at: z.string(),
});

test.concurrent(
  "of deployments of two versions in turn the first and the last run, one after the other, and the last one stays",
  async () => {
    await using scene = await startTwoServices();
    const { project, daemon, aws } = scene;
    const images = Array.from(
      { length: ALTERNATING },
      (_, index) => `${aws.repository("web")}:${index % 2 === 0 ? "v2" : "v1"}`,
    );
    const accepted: Reply[] = [];
    for (const image of images)
      accepted.push(await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" }));
    expect(accepted.map(({ status }) => status)).toEqual(images.map(() => 202));
    const records = [];
    for (const reply of accepted) records.push(await recordOf(daemon, reply));
    expect(records.map(({ status, changed }) => [status, changed])).toEqual([
      ["succeeded", true],
      ...images.slice(2).map(() => ["superseded", false]),
      ["succeeded", true],
    ]);
    const [first, last] = [records[0], records.at(-1)];
    expect(Date.parse(last?.started_at ?? "")).toBeGreaterThanOrEqual(Date.parse(first?.ended_at ?? ""));
    await expectVersion(project, "web", "v1");
    expect(await lives(project, "web")).toHaveLength(1);
  },
);

test.concurrent("deployments of two services overlap", async () => {
  await using scene = await startTwoServices();
  const { project, daemon, aws } = scene;
  const replies = await Promise.all(
    ["web", "worker"].map((service) => daemon.deploy({ service, image: `${aws.repository("web")}:v2` })),
  );
  expect(replies.map(({ status }) => status)).toEqual([200, 200]);
  const [web, worker] = await Promise.all(replies.map((reply) => recordOf(daemon, reply)));
  if (web === undefined || worker === undefined) throw new Error("two replies, two records");
  expect(web.started_at).not.toBeNull();
  expect((web.started_at ?? "") < worker.ended_at && (worker.started_at ?? "") < web.ended_at).toBe(true);
  await expectVersion(project, "web", "v2");
  await expectVersion(project, "worker", "v2");
});

test.concurrent("a failing deployment does not keep the next one from its turn", async () => {
  await using scene = await startTwoServices();
  const { project, daemon, aws } = scene;
  await aws.publish("web", "exits", { exitCode: 3 });
  const image = aws.repository("web");
  const failing = daemon.deploy({ service: "web", image: `${image}:exits` });
  await daemon.waitForLog(({ message }) => message === "deployment started");
  const next = daemon.deploy({ service: "web", image: `${image}:v2` });
  expect([(await failing).status, (await next).status]).toEqual([500, 200]);
  await expectVersion(project, "web", "v2");
  expect(await lives(project, "web")).toHaveLength(1);
});

function startTwoServices(): Promise<Scene> {
  return startScene({
    compose: async (aws) => {
      await aws.publish("web", "v1");
      await aws.publish("web", "v2");
      const text = `image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]`;
      return `services:\n  web:\n    ${text}\n  worker:\n    ${text}\n`;
    },
  });
}

async function recordOf(daemon: Daemon, reply: Reply): Promise<z.infer<typeof Deployment>> {
  const path = `/deployments/${reply.headers.get("Deployer-Deployment")}`;
  const headers = { Authorization: `Bearer ${await daemon.token()}`, Prefer: "wait=120" };
  return Deployment.parse(JSON.parse((await daemon.request("GET", path, { headers })).text));
}
