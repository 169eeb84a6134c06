import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { freePort } from "../support/free-port.ts";
import { ask, expectVersion, lifeOf, lives, upByHand } from "../support/observe.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

const SERVE_DEADLINE = 15_000;

test.concurrent("a signed webhook rolls out exactly the image it names, and pins it", async () => {
  const port = freePort();
  await using scene = await webScene("v1", port);
  const { project, daemon, aws } = scene;
  const { digest } = await aws.publish("web", "v2");
  expect(await ask(port)).toBe("v1");

  const image = `${aws.repository("web")}:v2`;
  const reply = await daemon.deploy({ service: "web", image });
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
  await answers(port, "v2");
  const deployed = await lifeOf(project, "web");
  expect(deployed.image).toBe(`${image}@${digest}`);
  expect(readFileSync(join(daemon.stateDir, "pins.compose.yml"), "utf8")).toContain(`${image}@${digest}`);

  await upByHand(project, daemon);
  expect(await lifeOf(project, "web")).toEqual(deployed);

  expect(await daemon.stop()).toBe(0);
  await using second = await daemon.startAgain();
  await waitUntilUp(second);
  expect(await lifeOf(project, "web")).toEqual(deployed);
  await upByHand(project, second);
  expect(await lifeOf(project, "web")).toEqual(deployed);
  expect(await ask(port)).toBe("v2");
});

test.concurrent(
  "a webhook without image resolves the file's tag anew: a moved tag is rolled out, an unmoved one restarts nothing",
  async () => {
    const port = freePort();
    await using scene = await webScene("live", port, "v1");
    const { project, daemon, aws } = scene;
    const first = await lifeOf(project, "web");

    expect((await daemon.deploy({ service: "web" })).status).toBe(200);
    expect(await lifeOf(project, "web")).toEqual(first);

    await aws.publish("web", "live", { version: "v2" });
    expect((await daemon.deploy({ service: "web" })).status).toBe(200);
    await answers(port, "v2");
    const second = await lifeOf(project, "web");
    expect(second.id).not.toBe(first.id);

    const reply = await daemon.deploy({ service: "web" }, { Accept: "application/json" });
    expect(JSON.parse(reply.text)).toMatchObject({ status: "succeeded", changed: false, reason: "" });
    expect(await lifeOf(project, "web")).toEqual(second);
    await upByHand(project, daemon);
    expect(await lifeOf(project, "web")).toEqual(second);

    expect((await daemon.deploy({ service: "web", force: true })).status).toBe(200);
    const third = await lifeOf(project, "web");
    expect(third.id).not.toBe(second.id);
    expect(third.image).toBe(second.image);
    await answers(port, "v2");
  },
);

test.concurrent(
  "naming the image that runs already restarts nothing, whichever way it is written",
  async () => {
    await using scene = await webScene("v1");
    const { project, daemon, aws } = scene;
    const first = await lifeOf(project, "web");
    const { digest } = await aws.publish("web", "also-v1", { version: "v1" });
    const image = aws.repository("web");
    for (const text of [`${image}:v1`, `${image}:also-v1`, `${image}@${digest}`, `${image}:v1@${digest}`]) {
      const reply = await daemon.deploy({ service: "web", image: text }, { Accept: "application/json" });
      expect([text, reply.status, reply.text]).toEqual([
        text,
        200,
        expect.stringContaining('"changed":false'),
      ]);
      await upByHand(project, daemon);
      expect(await lifeOf(project, "web")).toEqual(first);
    }
  },
);

test.concurrent(
  "a caller who prefers not to wait gets 202 and follows the deployment to its end",
  async () => {
    await using scene = await webScene("v1");
    const { daemon, aws, project } = scene;
    await aws.publish("web", "v2");
    await aws.publish("web", "v3");
    const image = aws.repository("web");
    const authorization = { Authorization: `Bearer ${await daemon.token()}` };

    const accepted = await daemon.deploy(
      { service: "web", image: `${image}:v2` },
      { Prefer: "respond-async" },
    );
    const id = accepted.headers.get("Deployer-Deployment") ?? "";
    expect([accepted.status, accepted.text]).toEqual([202, `deployment ${id} accepted\n`]);
    expect(accepted.headers.get("Location")).toBe(`/deployments/${id}`);
    const underWay = await daemon.request("GET", `/deployments/${id}`, { headers: authorization });
    expect(JSON.parse(underWay.text)).toMatchObject({
      id,
      service: "web",
      image: `${image}:v2`,
      ended_at: null,
    });
    const ended = await daemon.request("GET", `/deployments/${id}`, {
      headers: { ...authorization, Prefer: "wait=60" },
    });
    expect(JSON.parse(ended.text)).toMatchObject({ id, status: "succeeded", changed: true, reason: "" });
    await expectVersion(project, "web", "v2");

    const impatient = await daemon.deploy(
      { service: "web", image: `${image}:v3` },
      { Prefer: "wait=1", Accept: "application/json" },
    );
    expect(impatient.status).toBe(202);
    expect(JSON.parse(impatient.text)).toMatchObject({ service: "web", status: "queued" });
    const location = impatient.headers.get("Location") ?? "";
    const end = await daemon.request("GET", location, { headers: { ...authorization, Prefer: "wait=60" } });
    expect(JSON.parse(end.text)).toMatchObject({ status: "succeeded", changed: true });
    await expectVersion(project, "web", "v3");

    const patient = await daemon.deploy(
      { service: "web", image: `${image}:v2` },
      { Prefer: "wait=60", Accept: "application/json" },
    );
    expect(patient.status).toBe(200);
    expect(patient.headers.get("Preference-Applied")).toBe("wait=60");
    expect(JSON.parse(patient.text)).toMatchObject({ service: "web", status: "succeeded", changed: true });
  },
);

test.concurrent("a caller who hangs up changes nothing: the deployment goes on to its end", async () => {
  await using scene = await webScene("v1");
  const { daemon, aws, project } = scene;
  await aws.publish("web", "v2");
  const caller = new AbortController();
  const call = fetch(`${daemon.url}/deploy`, {
    method: "POST",
    headers: { Authorization: `Bearer ${await daemon.token()}` },
    body: JSON.stringify({ service: "web", image: `${aws.repository("web")}:v2` }),
    signal: caller.signal,
  });
  await daemon.waitForLog((line) => line.message === "deployment started");
  caller.abort();
  await expect(call).rejects.toThrow();
  const ended = await daemon.waitForLog((line) => line.message === "deployment ended");
  expect(ended.fields).toMatchObject({ status: "succeeded", changed: true });
  await expectVersion(project, "web", "v2");
  expect(await lives(project)).toHaveLength(1);
});

test.concurrent("a deployment leaves alone what the operator has added to the compose file", async () => {
  await using scene = await webScene("v1");
  const { daemon, aws, project } = scene;
  await aws.publish("web", "v2");
  const image = aws.repository("web");
  project.write(`${webCompose(`${image}:v1`)}  added:\n    image: ${image}:v1\n`);
  const reply = await daemon.deploy({ service: "web", image: `${image}:v2` });
  expect(reply.status).toBe(200);
  expect((await lives(project)).map(({ service }) => service)).toEqual(["web"]);
  expect((await daemon.deploy({ service: "added" })).status).toBe(200);
  expect((await lives(project)).map(({ service, state }) => [service, state])).toEqual([
    ["added", "running"],
    ["web", "running"],
  ]);
});

test.concurrent(
  "an image changed in the compose file drops the pin: the log says so, and the file's word counts",
  async () => {
    await using scene = await webScene("v1");
    const { daemon, aws, project } = scene;
    await aws.publish("web", "v2");
    await aws.publish("web", "v3");
    const image = aws.repository("web");
    expect((await daemon.deploy({ service: "web", image: `${image}:v2` })).status).toBe(200);
    project.write(webCompose(`${image}:v3`));
    expect((await daemon.deploy({ service: "web" })).status).toBe(200);
    await expectVersion(project, "web", "v3");
    const dropped = await daemon.waitForLog((line) => line.message.startsWith("pin dropped"));
    expect(dropped.level).toBe("warn");
    expect(dropped.fields).toMatchObject({
      service: "web",
      pinned: expect.stringContaining(`${image}:v2@sha256:`),
      image_then: `${image}:v1`,
      image_now: `${image}:v3`,
    });
    const deployed = await lifeOf(project, "web");
    await upByHand(project, daemon);
    expect(await lifeOf(project, "web")).toEqual(deployed);
  },
);

test.concurrent(
  "a changed setting in the compose file is rolled out by the next webhook, whatever the image",
  async () => {
    await using scene = await webScene("v1");
    const { daemon, aws, project } = scene;
    const first = await lifeOf(project, "web");
    project.write(`${webCompose(`${aws.repository("web")}:v1`)}    environment:\n      COLOUR: green\n`);
    expect((await daemon.deploy({ service: "web" })).status).toBe(200);
    const second = await lifeOf(project, "web");
    expect(second.id).not.toBe(first.id);
    await upByHand(project, daemon);
    expect(await lifeOf(project, "web")).toEqual(second);
  },
);

/** One service `web` on a published port, its image `tag` (of another version, if given) up and running. */
function webScene(tag: string, port?: number, version?: string): Promise<Scene> {
  return startScene({
    compose: async (aws) => {
      await aws.publish("web", tag, version === undefined ? {} : { version });
      return webCompose(`${aws.repository("web")}:${tag}`, port);
    },
  });
}

function webCompose(image: string, port?: number): string {
  return `services:\n  web:\n    image: ${image}\n    ports: ["127.0.0.1:${port ?? ""}:8080"]\n`;
}

async function answers(port: number, version: string): Promise<void> {
  await waitFor(`${version} on port ${port}`, SERVE_DEADLINE, async () => (await ask(port)) === version);
}
