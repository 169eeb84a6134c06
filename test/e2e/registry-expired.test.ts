import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  expectDeployed,
  expectDiscreet,
  recordDeploy,
  registryMessages,
  startWeb,
} from "../support/deploy-record.ts";
import { expectVersion } from "../support/observe.ts";
import type { Scene } from "../support/scene.ts";

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(await startWeb());
});
afterAll(() => cleanup.disposeAsync());

test("a token that expired before the pull is replaced by one login, and the log tells it", async () => {
  const { aws, project } = scene;
  await aws.publish("web", "before", { payloadBytes: 10_000 });
  aws.ecr.tokens.expireAll();
  const record = await recordDeploy(scene, `${aws.repository("web")}:before`);
  expectDeployed(record);
  await expectVersion(project, "web", "before");
  expect([record.attempts, record.logins]).toEqual([3, 1]);
  expect(registryMessages(record.log)).toEqual([
    "pull refused by the registry; logging in again",
    "registry login successful",
    "pull accepted after a new registry login",
    "pull started",
    "pull finished",
  ]);
  const refusal = record.log.find(({ message }) => message.startsWith("pull refused"));
  expect(refusal).toMatchObject({
    level: "warn",
    fields: {
      registry: aws.registry.address,
      image: `${aws.repository("web")}:before`,
      reason: expect.stringMatching(
        /denied: Your authorization token has expired\. Reauthenticate and try again\.$/,
      ),
    },
  });
});

test("a token that expires between the manifest and the layers is replaced, and the pull taken up again", async () => {
  const { aws, project } = scene;
  const { digest } = await aws.publish("web", "middle", { payloadBytes: 10_000 });
  aws.registry.expireAfterManifest();
  const from = aws.registry.requests.length;
  const record = await recordDeploy(scene, `${aws.repository("web")}:middle@${digest}`);
  expectDeployed(record);
  await expectVersion(project, "web", "middle");
  expect([record.attempts, record.logins]).toEqual([2, 1]);
  const answers = aws.registry.requests
    .slice(from)
    .filter(({ user }) => user !== undefined)
    .map(({ path, status }) => `${path.split("/").at(-2)} ${status}`);
  expect(answers[0]).toBe("manifests 200");
  expect(answers[1]).toBe("blobs 403");
  expect(answers.lastIndexOf("blobs 200")).toBeGreaterThan(answers.lastIndexOf("blobs 403"));
  expect(registryMessages(record.log)).toEqual([
    "pull started",
    "pull refused by the registry; logging in again",
    "registry login successful",
    "pull accepted after a new registry login",
    "pull finished",
  ]);
});

test("a token that expires between the look-up and the pull is replaced", async () => {
  const { aws, project } = scene;
  await aws.publish("web", "between", { payloadBytes: 10_000 });
  aws.registry.expireAfterManifest();
  const record = await recordDeploy(scene, `${aws.repository("web")}:between`);
  expectDeployed(record);
  await expectVersion(project, "web", "between");
  expect([record.attempts, record.logins]).toEqual([3, 1]);
});

test("the token is asked for no more than that, and is nowhere to be read", () => {
  const { aws, daemon } = scene;
  expect(aws.ecr.calls).toHaveLength(4);
  expect(aws.ecr.calls.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expectDiscreet(daemon, aws);
});
