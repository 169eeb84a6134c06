import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  expectDeployed,
  expectDiscreet,
  expectRefused,
  pauses,
  recordDeploy,
  startWeb,
  webFile,
} from "../support/deploy-record.ts";
import { expectVersion, lifeOf } from "../support/observe.ts";
import { type Scene, waitUntilUp } from "../support/scene.ts";
import { stageDaemon, stageProject, startAws } from "../support/stage.ts";

/** The AWS SDK itself tries a call so often when that can help. */
const TRIES_OF_SDK = 3;
const NO_TOKEN = "no ECR token from us-west-2: ";

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(await startWeb());
});
afterAll(() => cleanup.disposeAsync());

test("AccessDenied for the login is the reason, and is not asked for twice", async () => {
  const { aws, project } = scene;
  const before = await lifeOf(project, "web");
  aws.ecr.tokens.expireAll();
  aws.ecr.fail("AccessDeniedException");
  const record = await recordDeploy(scene, await published("denied"));
  aws.ecr.recover();
  expectRefused(
    record,
    `${NO_TOKEN}AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/deployer/i-0123456789abcdef0 is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action`,
    before,
  );
  expect([record.attempts, record.logins]).toEqual([1, 1]);
  expect(pauses(record.log)).toEqual([]);
  expect(await lifeOf(project, "web")).toEqual(before);
});

test("an ECR API that throttles for good is given up after three logins, and the old container serves on", async () => {
  const { aws, project } = scene;
  const before = await lifeOf(project, "web");
  aws.ecr.tokens.expireAll();
  aws.ecr.fail("ThrottlingException");
  const record = await recordDeploy(scene, await published("throttled"));
  aws.ecr.recover();
  expectRefused(record, `${NO_TOKEN}ThrottlingException: Rate exceeded`, before);
  expect([record.attempts, record.logins]).toEqual([1, 3 * TRIES_OF_SDK]);
  expect(pauses(record.log)).toEqual([1, 3]);
  expect(await lifeOf(project, "web")).toEqual(before);
});

test("an ECR API that fails longer than the SDK's patience is asked again after a pause", async () => {
  const { aws, project } = scene;
  aws.ecr.tokens.expireAll();
  aws.ecr.fail("InternalFailure", TRIES_OF_SDK);
  const record = await recordDeploy(scene, await published("outlasted"));
  expectDeployed(record);
  await expectVersion(project, "web", "outlasted");
  expect([record.attempts, record.logins]).toEqual([3, TRIES_OF_SDK + 1]);
  expect(pauses(record.log)).toEqual([1]);
});

test("an ECR API that does not answer is left after its deadline, and asked again", async () => {
  const { aws, project } = scene;
  aws.ecr.tokens.expireAll();
  aws.ecr.fail("hang", 1);
  const record = await recordDeploy(scene, await published("hung"));
  expectDeployed(record);
  await expectVersion(project, "web", "hung");
  expect([record.attempts, record.logins]).toEqual([3, 2]);
  const failure = record.log.find(({ message }) => message === "registry login failed");
  expect(failure?.fields?.["reason"]).toBe(`${NO_TOKEN}no answer within 15 s`);
  expect(pauses(record.log)).toEqual([1]);
});

test("after all that a login costs one call, and no token was logged", async () => {
  const { aws, daemon } = scene;
  aws.ecr.tokens.expireAll();
  const record = await recordDeploy(scene, await published("good"));
  expectDeployed(record);
  expect([record.attempts, record.logins]).toEqual([3, 1]);
  expectDiscreet(daemon, aws);
});

test("a token that is said to have expired long ago is used all the same, without asking again and again", async () => {
  await using aws = await startAws({ reportedOffset: -24 * 60 * 60_000 });
  await using project = stageProject({ compose: await webFile(aws) });
  await using daemon = await stageDaemon(project, aws);
  await waitUntilUp(daemon);
  await aws.publish("web", "v2");
  const record = await recordDeploy({ aws, daemon }, `${aws.repository("web")}:v2`);
  expectDeployed(record);
  expect([record.attempts, record.logins]).toEqual([2, 0]);
  expect(aws.ecr.calls).toHaveLength(1);
  expect(JSON.parse((await daemon.request("GET", "/ready")).text)).toMatchObject({
    registry_credential: "ok",
  });
});

async function published(tag: string): Promise<string> {
  await scene.aws.publish("web", tag, { payloadBytes: 1_000 });
  return `${scene.aws.repository("web")}:${tag}`;
}
