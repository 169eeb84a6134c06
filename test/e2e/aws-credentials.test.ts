import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { expectDeployed, expectDiscreet, recordDeploy, startWeb } from "../support/deploy-record.ts";
import { startInstanceMetadata } from "../support/instance-metadata.ts";
import { expectVersion } from "../support/observe.ts";
import type { Aws } from "../support/stage.ts";

/** Where the AWS SDK finds credentials; all other tests give them in the environment. */
const NOT_IN_THE_ENVIRONMENT = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" };
const MOST_AFTER_LOGIN = 80 * 1024 ** 2;

test("on an instance its role signs the login, by IMDSv2, past any proxy, and with the keys it has by then", async () => {
  const first = {
    accessKeyId: "ASIAFIRSTEXAMPLE0000",
    secret: "first-s3cret",
    sessionToken: "first-session",
  };
  const next = { accessKeyId: "ASIANEXTEXAMPLE00000", secret: "next-s3cret", sessionToken: "next-session" };
  await using metadata = startInstanceMetadata(first);
  await using proxy = startProxy();
  await using scene = await startWeb({
    daemon: {
      env: {
        ...NOT_IN_THE_ENVIRONMENT,
        AWS_EC2_METADATA_DISABLED: "",
        AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url,
        HTTP_PROXY: proxy.url,
        DEBUG_MODE: "true",
      },
    },
  });
  const { aws, project, daemon } = scene;
  expect(signersOf(aws)).toEqual([[first.accessKeyId, first.sessionToken]]);
  expect(metadata.requests).toContain("PUT /latest/api/token");
  expect(daemon.rss()).toBeLessThanOrEqual(MOST_AFTER_LOGIN);

  metadata.rotate(next);
  expect((await daemon.request("POST", "/logout")).status).toBe(200);
  await aws.publish("web", "v2");
  const record = await recordDeploy(scene, `${aws.repository("web")}:v2`);
  expectDeployed(record);
  await expectVersion(project, "web", "v2");
  expect(record.logins).toBe(1);
  expect(signersOf(aws)).toEqual([
    [first.accessKeyId, first.sessionToken],
    [next.accessKeyId, next.sessionToken],
  ]);

  expect([...new Set(proxy.asked)]).toEqual([aws.ecr.url]);
  expectDiscreet(daemon, aws);
  const printed = JSON.stringify(daemon.log()) + daemon.noise();
  for (const { secret, sessionToken } of [first, next]) {
    expect(printed).not.toContain(secret);
    expect(printed).not.toContain(sessionToken);
  }
});

test("a profile of AWS's own files signs the login when AWS_PROFILE names it", async () => {
  const credentials = `[default]
aws_access_key_id = AKIADEFAULTEXAMPLE00
aws_secret_access_key = default-s3cret

[deployer]
aws_access_key_id = AKIAPROFILEEXAMPLE00
aws_secret_access_key = profile-s3cret
`;
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "dstest-aws-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "credentials");
  writeFileSync(file, credentials, { mode: 0o600 });
  await using scene = await startWeb({
    daemon: {
      env: {
        ...NOT_IN_THE_ENVIRONMENT,
        AWS_PROFILE: "deployer",
        AWS_SHARED_CREDENTIALS_FILE: file,
      },
    },
  });
  const { aws, daemon } = scene;
  expect(signersOf(aws)).toEqual([["AKIAPROFILEEXAMPLE00", undefined]]);
  expectDiscreet(daemon, aws);
  expect(JSON.stringify(daemon.log()) + daemon.noise()).not.toContain("s3cret");
});

/** Access key and session token of each login. */
function signersOf({ ecr }: Aws): (string | undefined)[][] {
  return ecr.calls.map(({ accessKeyId, sessionToken }) => [accessKeyId, sessionToken]);
}

/** An HTTP proxy that passes everything on; `asked` is where to. */
function startProxy(): AsyncDisposable & { url: string; asked: readonly string[] } {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    async fetch(request) {
      asked.push(new URL(request.url).origin);
      return fetch(request.url, {
        method: request.method,
        headers: request.headers,
        body: await request.bytes(),
      });
    },
  });
  return { url: server.url.origin, asked, [Symbol.asyncDispose]: () => server.stop(true) };
}
