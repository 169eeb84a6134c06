import { expect, test } from "bun:test";

import { newKeys, signToken } from "../support/keys.ts";
import { stage, stageDaemon, stageProject, startAws } from "../support/stage.ts";
import { run } from "../support/run.ts";

const MEGABYTE = 1024 ** 2;
const AFTER_LOGIN = 80 * MEGABYTE;
const AFTER_REQUESTS = 110 * MEGABYTE;
const REQUESTS = 10_000;
/** Half of them are refused, and answered late once they are a flood. */
const AT_ONCE = 200;
const NEWEST_GLIBC = [2, 26] as const;

test("resident memory is at most 80 MB after login, and 110 MB after 10,000 mixed requests", async () => {
  await using aws = await startAws();
  await aws.publish("web", "v1");
  await using project = stageProject({
    compose: `services:\n  web:\n    image: ${aws.repository("web")}:v1\n`,
  });
  await using daemon = await stageDaemon(project, aws);
  await daemon.waitForLog(({ message }) => message === "registry login successful");
  await daemon.waitForLog(({ message }) => message === "services are up");
  expect(daemon.rss()).toBeLessThanOrEqual(AFTER_LOGIN);

  const forged = { Authorization: `Bearer ${await signToken(newKeys())}` };
  const body = '{"service":"web"}';
  const kinds = [
    async () => (await daemon.request("GET", "/health")).status === 200,
    async () => (await daemon.request("POST", "/deploy", { headers: forged, body })).status === 401,
    async () => (await daemon.request("GET", "/nope")).status === 404,
    async () => (await daemon.request("POST", "/deploy", { body })).status === 401,
  ];
  for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
    const answers = Array.from({ length: AT_ONCE }, (_, index) => kinds[index % kinds.length]?.());
    expect((await Promise.all(answers)).every((asExpected) => asExpected === true)).toBe(true);
  }
  expect(daemon.rss()).toBeLessThanOrEqual(AFTER_REQUESTS);
});

test("the program needs nothing newer than Amazon Linux 2 has: glibc 2.26", async () => {
  const { stdout } = await run(["objdump", "-T", stage().binary]);
  const versions = [...stdout.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [
    Number(major),
    Number(minor),
  ]);
  expect(versions.length).toBeGreaterThan(100);
  const [most, least] = NEWEST_GLIBC;
  const newer = versions.filter(
    ([major = 0, minor = 0]) => major > most || (major === most && minor > least),
  );
  expect(newer).toEqual([]);
});
