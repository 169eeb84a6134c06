import { rmSync } from "node:fs";

import { expect, test } from "bun:test";

import type { Daemon } from "../support/daemon.ts";
import { stageDaemon, stageProject, startAws } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

/** A snapshot of /ready is at most 5 s old; the start tries again after pauses that grow to several seconds. */
const MEND_DEADLINE = 60_000;
const SUCCESS = "deploy request successful for service web\n";

/** The project's name stands in the first line. */
const BROKEN: [what: string, text: (image: string) => string, says: RegExp][] = [
  [
    "broken YAML",
    (image) => `services:\n  web:\n    image: ${image}\n\tports: []\n`,
    /docker-compose\.yml: yaml: line \d: found a tab character/,
  ],
  [
    "an unknown key",
    (image) => `services:\n  web:\n    imaje: ${image}\n`,
    /docker-compose\.yml:4: services\.web .*imaje/,
  ],
];

test.each(BROKEN)(
  "a compose file with %s does not stop the start, is told with its line, and is read again once it is mended",
  async (_, broken, says) => {
    await using aws = await startAws();
    await aws.publish("web", "v1");
    const image = `${aws.repository("web")}:v1`;
    await using project = stageProject({ compose: broken(image) });
    await using daemon = await stageDaemon(project, aws);
    await isToldEverywhere(daemon, says);
    project.write(`services:\n  web:\n    image: ${image}\n`);
    await worksWithoutRestart(daemon);
    expect((await project.containers()).map(({ service, state }) => [service, state])).toEqual([
      ["web", "running"],
    ]);
  },
);

test("a compose file that is not there does not stop the start, is told by its path, and is found once it is there", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  await using project = stageProject({ compose: "" });
  rmSync(project.file);
  await using daemon = await stageDaemon(project, aws);
  await isToldEverywhere(daemon, new RegExp(`${project.file}.*no such file`));
  project.write(`services:\n  web:\n    image: ${aws.repository("web")}:v1\n`);
  await worksWithoutRestart(daemon);
});

test("a compose file that breaks later leaves what runs alone, and is told", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  const good = `services:\n  web:\n    image: ${aws.repository("web")}:v1\n`;
  await using project = stageProject({ compose: good });
  await using daemon = await stageDaemon(project, aws);
  await daemon.waitForLog(({ message }) => message === "services are up");
  const before = await project.containers();
  project.write(`${good}  - broken\n`);
  const reply = await daemon.deploy({ service: "web" });
  expect(reply.status).toBe(500);
  expect(reply.text).toMatch(/^unable to update service\ncompose file .*docker-compose\.yml: yaml: line \d/);
  expect(await project.containers()).toEqual(before);
  project.write(good);
  expect(await daemon.deploy({ service: "web" })).toMatchObject({ status: 200, text: SUCCESS });
  expect(await project.containers()).toEqual(before);
});

async function isToldEverywhere(daemon: Daemon, says: RegExp): Promise<void> {
  expect((await daemon.request("GET", "/health")).status).toBe(200);
  // A probe has two seconds, and reading the file for the first time may take longer: the next snapshot has it.
  const ready = await waitFor("/ready to have read the file", MEND_DEADLINE, async () => {
    const answer = await daemon.request("GET", "/ready", await authorized(daemon));
    return answer.text.includes("no answer within") ? undefined : answer;
  });
  expect(ready.status).toBe(503);
  expect(JSON.parse(ready.text)).toMatchObject({
    ready: false,
    compose_file: "failing",
    details: { compose_file: expect.stringMatching(says) },
  });
  const withoutToken = await daemon.request("GET", "/ready");
  expect(withoutToken.text).not.toContain("docker-compose.yml");
  const deploy = await daemon.deploy({ service: "web" });
  expect(deploy.status).toBe(500);
  expect(deploy.text).toStartWith("unable to update service\n");
  expect(deploy.text).toMatch(says);
}

async function worksWithoutRestart(daemon: Daemon): Promise<void> {
  expect(await daemon.deploy({ service: "web" })).toMatchObject({ status: 200, text: SUCCESS });
  await waitFor("/ready to say so", MEND_DEADLINE, async () => {
    const { status } = await daemon.request("GET", "/ready", await authorized(daemon));
    return status === 200;
  });
}

async function authorized(daemon: Daemon): Promise<{ headers: Record<string, string> }> {
  return { headers: { Authorization: `Bearer ${await daemon.token()}` } };
}
