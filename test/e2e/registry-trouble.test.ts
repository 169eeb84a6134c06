import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  expectDeployed,
  expectRefused,
  pauses,
  recordDeploy,
  registryMessages,
  startWeb,
} from "../support/deploy-record.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import type { FaultStatus } from "../support/registry-faults.ts";
import type { Scene } from "../support/scene.ts";

/** dockerd looks a manifest up by HEAD, and when that fails by GET: one look-up is two requests. */
const ONE_LOOK_UP = { on: "manifest", times: 2 } as const;
const RETRY = "pull failed; trying again";

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(await startWeb());
});
afterAll(() => cleanup.disposeAsync());

const LASTING: [FaultStatus, words: string][] = [
  [500, "received unexpected HTTP status: 500 Internal Server Error"],
  [503, "received unexpected HTTP status: 503 Service Unavailable"],
];

test.each(LASTING)(
  "a registry that answers %i is asked three times, then given up",
  async (status, words) => {
    const { aws, project } = scene;
    const before = await lifeOf(project, "web");
    await aws.publish("web", "lasting");
    aws.registry.faults.add({ kind: "status", status });
    const image = `${aws.repository("web")}:lasting`;
    const record = await recordDeploy(scene, image);
    aws.registry.faults.clear();

    expectRefused(record, `registry ${aws.registry.address} could not deliver ${image}: ${words}`, before);
    expect([record.attempts, record.logins]).toEqual([3, 0]);
    expect(pauses(record.log)).toEqual([1, 3]);
    expect(await lifeOf(project, "web")).toEqual(before);
  },
);

test("a registry that is down is asked three times, and the old container serves on", async () => {
  const { aws, project } = scene;
  const before = await lifeOf(project, "web");
  await aws.publish("web", "down");
  await aws.registry.down();
  const image = `${aws.repository("web")}:down`;
  const record = await recordDeploy(scene, image);
  await aws.registry.up();

  expect(record.reply.status).toBe(500);
  expect(record.reply.text).toStartWith(
    `unable to update service\nregistry ${aws.registry.address} could not deliver ${image}: `,
  );
  expect(record.reply.text).toContain(
    `connect: connection refused\nwhat serves now: ${before.image} in container `,
  );
  expect([record.attempts, record.logins]).toEqual([0, 0]);
  expect(pauses(record.log)).toEqual([1, 3]);
  expect(await lifeOf(project, "web")).toEqual(before);
});

const HEALING: [FaultStatus, pause: number][] = [
  [502, 1],
  [429, 10],
];

test.each(HEALING)("one %i costs a pause of %i s and one more look-up", async (status, pause) => {
  const { aws, project } = scene;
  const version = `heals-${status}`;
  await aws.publish("web", version);
  aws.registry.faults.add({ kind: "status", status }, ONE_LOOK_UP);
  const record = await recordDeploy(scene, `${aws.repository("web")}:${version}`);
  expectDeployed(record);
  await expectVersion(project, "web", version);
  expect([record.attempts, record.logins]).toEqual([3, 0]);
  expect(pauses(record.log)).toEqual([pause]);
  expect(registryMessages(record.log)).toEqual([RETRY, "pull started", "pull finished"]);
});

test("a registry that comes back between two attempts delivers", async () => {
  const { aws, project, daemon } = scene;
  await aws.publish("web", "back");
  await aws.registry.down();
  const from = daemon.log().length;
  const deployment = recordDeploy(scene, `${aws.repository("web")}:back`);
  await daemon.waitForLog((line) => line.message === RETRY && daemon.log().indexOf(line) >= from);
  await aws.registry.up();
  const record = await deployment;
  expectDeployed(record);
  await expectVersion(project, "web", "back");
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  expect(pauses(record.log)).toEqual([1]);
});
