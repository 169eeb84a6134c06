import { afterEach, expect, test } from "bun:test";

import { createAuthorize } from "./authorization.ts";

const VARIABLES = {
  AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
  AWS_SECRET_ACCESS_KEY: "s3cret-key",
  AWS_SESSION_TOKEN: "s3cret-session",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: "/nonexistent",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
};
const before = { ...process.env };

afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
});

/** A stand-in for ECR's API (AWS JSON 1.1). */
function ecr(
  answer: (request: Request) => Response | Promise<Response>,
  variables: Record<string, string> = VARIABLES,
) {
  const requests: { headers: Headers; body: string }[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      requests.push({ headers: request.headers, body: await request.text() });
      return answer(request);
    },
  });
  for (const name of Object.keys(VARIABLES)) delete process.env[name];
  Object.assign(process.env, variables, { AWS_ENDPOINT_URL_ECR: server.url.origin });
  return { server, requests, [Symbol.asyncDispose]: () => server.stop(true) };
}

function json(body: unknown, status = 200): Response {
  return Response.json(body, { status, headers: { "content-type": "application/x-amz-json-1.1" } });
}

function token(login: string, expiresAt?: number) {
  return json({
    authorizationData: [{ authorizationToken: Buffer.from(login).toString("base64"), expiresAt }],
  });
}

test("a token is user name, password and time of expiry", async () => {
  await using fake = ecr(() => token("AWS:pass:word", 1_795_490_473.652));
  const authorization = await createAuthorize("us-west-2")();
  expect(authorization).toMatchObject({ username: "AWS", expiresAt: 1_795_490_473_652 });
  expect(authorization.password.reveal()).toBe("pass:word");
  const [request] = fake.requests;
  expect(request?.headers.get("x-amz-target")).toBe(
    "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
  );
  expect(request?.headers.get("authorization")).toContain("/us-west-2/ecr/aws4_request");
  expect(request?.body).toBe("{}");
});

test("a time that is missing or past is passed on as it is", async () => {
  const answers = [token("AWS:pw"), token("AWS:pw", 1_000)];
  await using fake = ecr(() => answers.shift() ?? Response.error());
  expect((await createAuthorize("us-west-2")()).expiresAt).toBeUndefined();
  expect((await createAuthorize("us-west-2")()).expiresAt).toBe(1_000_000);
  expect(fake.requests).toHaveLength(2);
});

test("AWS refusing is a refusal with AWS's words", async () => {
  await using fake = ecr(() =>
    json(
      {
        __type: "AccessDeniedException",
        message: "User: arn:x is not authorized to perform: ecr:GetAuthorizationToken",
      },
      400,
    ),
  );
  await expect(createAuthorize("us-west-2")()).rejects.toMatchObject({
    code: "registry_denied",
    message:
      "no ECR token from us-west-2: AccessDeniedException: User: arn:x is not authorized to perform: ecr:GetAuthorizationToken",
  });
  expect(fake.requests).toHaveLength(1);
});

test("an error that repeats the signed request does not carry the session token on", async () => {
  await using _fake = ecr(() =>
    json(
      {
        __type: "InvalidSignatureException",
        message: "The signature does not match.\n\nx-amz-security-token:s3cret-session",
      },
      403,
    ),
  );
  const error: unknown = await createAuthorize("us-west-2")().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "registry_denied" });
  expect(Bun.inspect(error)).not.toContain("s3cret-session");
});

test("no AWS credentials is a refusal that says what is missing", async () => {
  await using _fake = ecr(() => token("AWS:pw"), { AWS_EC2_METADATA_DISABLED: "true" });
  await expect(createAuthorize("us-west-2")()).rejects.toMatchObject({
    code: "registry_denied",
    message: expect.stringContaining("no AWS credentials; give the instance a role that may read ECR"),
  });
});

test.each([
  ["fails", () => json({ __type: "ServerException" }, 500), 3],
  ["throttles", () => json({ __type: "ThrottlingException", message: "Rate exceeded" }, 400), 3],
  ["answers without a token", () => json({}), 1],
  ["answers with something that is no login", () => token("nonsense"), 1],
  ["answers with a page", () => new Response("<html>", { status: 200 }), 1],
  ["redirects", () => Response.redirect("http://127.0.0.1:1/", 302), 3],
])("an ECR that %s is unavailable, and asked a bounded number of times", async (_, answer, most) => {
  await using fake = ecr(answer);
  await expect(createAuthorize("us-west-2")()).rejects.toMatchObject({ code: "registry_unavailable" });
  expect(fake.requests.length).toBeGreaterThanOrEqual(1);
  expect(fake.requests.length).toBeLessThanOrEqual(most);
});

test("an ECR that cannot be reached is unavailable", async () => {
  const fake = ecr(() => token("AWS:pw"));
  await fake.server.stop(true);
  await expect(createAuthorize("us-west-2")()).rejects.toMatchObject({ code: "registry_unavailable" });
});

test("an ECR that does not answer is given up at the deadline", async () => {
  await using _fake = ecr(() => new Promise<Response>(() => undefined));
  const begun = Date.now();
  await expect(createAuthorize("us-west-2", 200)()).rejects.toMatchObject({
    code: "registry_unavailable",
    message: "no ECR token from us-west-2: no answer within 0.2 s",
  });
  expect(Date.now() - begun).toBeLessThan(2_000);
});

test("AWS is asked through the proxy of the environment", async () => {
  const seen: string[] = [];
  const proxy = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      seen.push(request.url);
      return token("AWS:pw");
    },
  });
  await using _fake = ecr(() => token("AWS:direct"));
  Object.assign(process.env, {
    HTTP_PROXY: proxy.url.origin,
    AWS_ENDPOINT_URL_ECR: "http://ecr.example.test",
  });
  try {
    expect((await createAuthorize("us-west-2")()).password.reveal()).toBe("pw");
    expect(seen).toEqual(["http://ecr.example.test/"]);
  } finally {
    await proxy.stop(true);
  }
});
