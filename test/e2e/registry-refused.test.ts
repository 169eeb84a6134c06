import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  expectDeployed,
  expectDiscreet,
  expectRefused,
  pauses,
  recordDeploy,
  registryMessages,
  startWeb,
} from "../support/deploy-record.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import type { Fault } from "../support/registry-faults.ts";
import type { Scene } from "../support/scene.ts";

type Refusal = {
  name: string;
  fault: Fault;
  attempts: number;
  logins: number;
  /** With IMAGE and REGISTRY for those of the row. */
  reason: string;
};

const NEW_LOGIN = ["pull refused by the registry; logging in again", "registry login successful"];
const MISSING_PERMISSION = "denied: User is not authorized to perform: ecr:BatchGetImage";
const EXPIRED = "denied: Your authorization token has expired. Reauthenticate and try again.";

const REFUSALS: readonly Refusal[] = [
  {
    name: "401, with whatever token",
    fault: { kind: "status", status: 401 },
    attempts: 2,
    logins: 1,
    reason: "registry REGISTRY refused access to IMAGE: unauthorized: authentication required",
  },
  {
    name: "403 because the role lacks a permission",
    fault: { kind: "status", status: 403 },
    attempts: 2,
    logins: 1,
    reason: `registry REGISTRY refused access to IMAGE: ${MISSING_PERMISSION}`,
  },
  {
    name: "403 as for an expired token, also for the new one",
    fault: { kind: "expired" },
    attempts: 2,
    logins: 1,
    reason: `registry REGISTRY refused access to IMAGE: ${EXPIRED}`,
  },
  {
    name: "404",
    fault: { kind: "status", status: 404 },
    attempts: 1,
    logins: 0,
    reason: "registry REGISTRY does not have IMAGE: manifest unknown: Requested image not found",
  },
];

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(await startWeb());
});
afterAll(() => cleanup.disposeAsync());

test.each(REFUSALS)("a registry that answers $name is asked no more than can help", async (refusal) => {
  const { aws, project } = scene;
  const before = await lifeOf(project, "web");
  await aws.publish("web", "refused");
  aws.registry.faults.add(refusal.fault);
  const record = await recordDeploy(scene, imageOf("refused"));
  aws.registry.faults.clear();

  expectRefused(record, inWords(refusal.reason, "refused"), before);
  expect([record.attempts, record.logins]).toEqual([refusal.attempts, refusal.logins]);
  expect(registryMessages(record.log)).toEqual(refusal.logins === 0 ? [] : NEW_LOGIN);
  expect(pauses(record.log)).toEqual([]);
  expect(await lifeOf(project, "web")).toEqual(before);
});

test("a refusal of the layers comes before anything is touched, and costs one login", async () => {
  const { aws, project } = scene;
  const before = await lifeOf(project, "web");
  const { digest } = await aws.publish("web", "layers", { payloadBytes: 100_000 });
  aws.registry.faults.add({ kind: "status", status: 403 }, { on: "blob" });
  const record = await recordDeploy(scene, imageOf("layers"));
  aws.registry.faults.clear();

  const pulled = `${aws.repository("web")}@${digest}`;
  expect(record.reply.status).toBe(500);
  expect(record.reply.text).toStartWith(
    `unable to update service\nregistry ${aws.registry.address} refused access to ${pulled}: error pulling image configuration: `,
  );
  expect(record.reply.text).toContain(MISSING_PERMISSION);
  expect([record.attempts, record.logins]).toEqual([3, 1]);
  expect(registryMessages(record.log)).toEqual(["pull started", ...NEW_LOGIN]);
  expect(await lifeOf(project, "web")).toEqual(before);
});

test("after all that a good version is deployed as ever", async () => {
  const { aws, project, daemon } = scene;
  await aws.publish("web", "v2");
  const record = await recordDeploy(scene, imageOf("v2"));
  expectDeployed(record);
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  await expectVersion(project, "web", "v2");
  expectDiscreet(daemon, aws);
});

function imageOf(tag: string): string {
  return `${scene.aws.repository("web")}:${tag}`;
}

function inWords(reason: string, tag: string): string {
  return reason.replace("REGISTRY", scene.aws.registry.address).replace("IMAGE", imageOf(tag));
}
