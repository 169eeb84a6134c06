import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";

import { GithubTokenError, requestGithubToken } from "./github-token.ts";

let answers: (() => Response)[];
let asked: { audience: string | null; version: string | null; authorization: string | null }[];
let service: Bun.Server<undefined>;
beforeAll(() => {
  service = Bun.serve({
    port: 0,
    fetch(request) {
      const { searchParams } = new URL(request.url);
      asked.push({
        audience: searchParams.get("audience"),
        version: searchParams.get("api-version"),
        authorization: request.headers.get("authorization"),
      });
      return answers.shift()?.() ?? new Response(null, { status: 500 });
    },
  });
});
afterAll(async () => {
  await service.stop(true);
});
beforeEach(() => {
  answers = [];
  asked = [];
});

const wanted = { audience: "https://deploy.example.com", request: "a-_b" };

/** As the runner gives it to a job that may have tokens. */
function runner() {
  return {
    GITHUB_ACTIONS: "true",
    ACTIONS_ID_TOKEN_REQUEST_URL: `${service.url.origin}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-secret",
  };
}

/** With a clock that only waiting moves. */
function ask(env: Record<string, string> = runner()) {
  let now = 0;
  const waited: number[] = [];
  const sleep = async (milliseconds: number) => {
    waited.push(milliseconds);
    now += milliseconds;
  };
  return { waited, token: requestGithubToken(wanted, { env, sleep, now: () => now }) };
}

const good = () => Response.json({ count: 1, value: "a.b.c" });

test("a token is asked for one request, by the audience", async () => {
  answers = [good];
  expect(await ask().token).toBe("a.b.c");
  expect(asked).toEqual([
    {
      audience: "https://deploy.example.com#sha256=a-_b",
      version: "2.0",
      authorization: "Bearer runner-secret",
    },
  ]);
});

test.each([429, 500, 502, 503, 504])("HTTP %d is asked again, with growing pauses", async (status) => {
  const busy = () => new Response("busy", { status });
  answers = [busy, busy, busy, good];
  const { token, waited } = ask();
  expect(await token).toBe("a.b.c");
  expect(waited).toEqual([250, 500, 1000]);
});

test("a service that stays away is given up, with the reason", async () => {
  const { token, waited } = ask();
  await expect(token).rejects.toThrow("the token service of GitHub answered with HTTP 500");
  expect(waited.reduce((sum, each) => sum + each, 0)).toBeLessThan(60_000);
  const nobody = { ...runner(), ACTIONS_ID_TOKEN_REQUEST_URL: "http://127.0.0.1:9/token?a=b" };
  await expect(ask(nobody).token).rejects.toThrow(/cannot be reached: .*127\.0\.0\.1|cannot be reached: /);
});

test.each<[string, () => Response, RegExp]>([
  ["a refusal", () => new Response("no", { status: 403 }), /answered with HTTP 403/],
  ["an answer without a token", () => Response.json({ count: 0 }), /without a token/],
  ["an empty token", () => Response.json({ value: "" }), /without a token/],
  ["a page", () => new Response("<html>"), /without a token/],
])("%s is told at once", async (_, answer, reason) => {
  answers = [answer, good];
  await expect(ask().token).rejects.toThrow(reason);
  expect(asked).toHaveLength(1);
});

test("a job without the permission is told which one is missing, and who is no job is told that", async () => {
  await expect(ask({ GITHUB_ACTIONS: "true" }).token).rejects.toThrow(/id-token: write/);
  await expect(ask({}).token).rejects.toThrow(/no job of GitHub Actions/);
  await expect(ask({}).token).rejects.toBeInstanceOf(GithubTokenError);
});

test("no complaint holds the secret of the runner", async () => {
  for (const answer of [() => new Response("runner-secret", { status: 403 }), () => new Response("x")]) {
    answers = [answer];
    const error = await ask().token.catch((error: unknown) => error);
    expect(Bun.inspect(error)).not.toContain("runner-secret");
  }
});
