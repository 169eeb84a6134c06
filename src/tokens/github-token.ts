import { z } from "zod";

/** For each answer of the runner's token service. */
const ANSWER_DEADLINE_MS = 10_000;
/** For all of them: GitHub's own toolkit asks ten times where it gets 502, 503 or 504. */
const DEADLINE_MS = 60_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
/** Worth another try; so is a connection that failed. */
const PASSING = new Set([429, 500, 502, 503, 504]);

const Answer = z.object({ value: z.string().min(1) });

/** Why GitHub gave no token, and what to do about it. */
export class GithubTokenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GithubTokenError";
  }
}

export type GithubTokenOptions = {
  env: Readonly<Record<string, string | undefined>>;
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  sleep?: (milliseconds: number) => Promise<void>;
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/**
 * The OpenID Connect token of this GitHub Actions job, for one request: the audience is
 * `<audience>#sha256=<its requestHash>`, so nobody can use it for another.
 * https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
 * Errors: `GithubTokenError`.
 */
export async function requestGithubToken(
  { audience, request }: { audience: string; request: string },
  { env, fetch = globalThis.fetch, sleep = pause, now = Date.now }: GithubTokenOptions,
): Promise<string> {
  const service = serviceOf(env);
  const url = `${service.url}&audience=${encodeURIComponent(`${audience}#sha256=${request}`)}`;
  const giveUpAt = now() + DEADLINE_MS;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const answer = await ask(url, service.token, fetch);
    if ("token" in answer) return answer.token;
    if (!answer.mayPass || now() + pauseMs >= giveUpAt) throw answer.error;
    await sleep(pauseMs);
  }
}

type Outcome = { token: string } | { error: GithubTokenError; mayPass: boolean };

async function ask(
  url: string,
  token: string,
  fetch: NonNullable<GithubTokenOptions["fetch"]>,
): Promise<Outcome> {
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(url, {
      headers: { Authorization: `Bearer ${token}`, Accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_DEADLINE_MS),
    });
    text = await answer.text();
  } catch (cause) {
    return { error: failure(`cannot be reached: ${messageOf(cause)}`, { cause }), mayPass: true };
  }
  if (!answer.ok)
    return { error: failure(`answered with HTTP ${answer.status}`), mayPass: PASSING.has(answer.status) };
  const parsed = Answer.safeParse(parseJson(text));
  if (!parsed.success) return { error: failure("answered without a token"), mayPass: false };
  return { token: parsed.data.value };
}

/** What the runner gives to jobs that may have tokens. */
function serviceOf(env: GithubTokenOptions["env"]): { url: string; token: string } {
  const url = env["ACTIONS_ID_TOKEN_REQUEST_URL"];
  const token = env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
  if (url && token) return { url, token };
  if (env["GITHUB_ACTIONS"] === "true")
    throw new GithubTokenError(
      'this job may not have a token of GitHub; give it "permissions: { contents: read, id-token: write }" (a pull request from a fork never gets one)',
    );
  throw new GithubTokenError(
    "this is no job of GitHub Actions, only those have tokens of GitHub; sign with a key",
  );
}

function failure(what: string, options?: ErrorOptions): GithubTokenError {
  return new GithubTokenError(`the token service of GitHub ${what}`, options);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
  // Node says "fetch failed", and why in the cause.
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
