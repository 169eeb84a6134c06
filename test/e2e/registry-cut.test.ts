import { afterAll, beforeAll, expect, test } from "bun:test";

import { expectDeployed, expectRefused, pauses, recordDeploy, startWeb } from "../support/deploy-record.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import type { Scene } from "../support/scene.ts";

const PAYLOAD = 2_000_000;
const CUT = { kind: "cut", afterBytes: 400_000 } as const;
const LAYER = { on: "blob", minBytes: 1_000_000 } as const;
/** How often dockerd itself tries a layer before it gives a pull up: a setting of the tests' Docker. */
const TRIES_OF_DOCKER = 2;

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(await startWeb());
});
afterAll(() => cleanup.disposeAsync());

test("a connection cut in a layer is taken up again where it broke, within the one pull", async () => {
  const { aws, project } = scene;
  await aws.publish("web", "once", { payloadBytes: PAYLOAD });
  aws.registry.faults.add(CUT, { ...LAYER, times: 1 });
  const from = aws.registry.requests.length;
  const record = await recordDeploy(scene, `${aws.repository("web")}:once`);
  expectDeployed(record);
  await expectVersion(project, "web", "once");
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  expect(pauses(record.log)).toEqual([]);
  expect(layerAnswers(from)).toEqual([0, 206]);
});

test("a pull that Docker gives up is tried again, and succeeds", async () => {
  const { aws, project } = scene;
  await aws.publish("web", "pull", { payloadBytes: PAYLOAD });
  aws.registry.faults.add(CUT, { ...LAYER, times: TRIES_OF_DOCKER });
  const record = await recordDeploy(scene, `${aws.repository("web")}:pull`);
  expectDeployed(record);
  await expectVersion(project, "web", "pull");
  expect([record.attempts, record.logins]).toEqual([3, 0]);
  expect(pauses(record.log)).toEqual([1]);
});

test("a layer that never arrives is given up after three pulls, and the old container serves on", async () => {
  const { aws, project } = scene;
  const before = await lifeOf(project, "web");
  const { digest } = await aws.publish("web", "never", { payloadBytes: PAYLOAD });
  aws.registry.faults.add(CUT, LAYER);
  const record = await recordDeploy(scene, `${aws.repository("web")}:never`);
  aws.registry.faults.clear();
  const pulled = `${aws.repository("web")}@${digest}`;
  expectRefused(
    record,
    `registry ${aws.registry.address} could not deliver ${pulled}: unexpected EOF`,
    before,
  );
  expect([record.attempts, record.logins]).toEqual([4, 0]);
  expect(pauses(record.log)).toEqual([1, 3]);
  expect(await lifeOf(project, "web")).toEqual(before);
});

test("afterwards the same version is deployed as ever", async () => {
  const { aws, project } = scene;
  const record = await recordDeploy(scene, `${aws.repository("web")}:never`);
  expectDeployed(record);
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  await expectVersion(project, "web", "never");
});

/** The answers to the requests for the large layer of the only version pulled since. */
function layerAnswers(from: number): number[] {
  const requests = scene.aws.registry.requests.slice(from).filter(({ path }) => path.includes("/blobs/"));
  const cut = requests.find(({ status }) => status === 0);
  return requests.filter(({ path }) => path === cut?.path).map(({ status }) => status);
}
