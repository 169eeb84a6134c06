import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { segment } from "../../src/tokens/test-keys.ts";
import { startAlone } from "../contract/refused-start.ts";
import { newOidcKey, startOidcIssuer, type TokenOptions } from "../support/oidc-issuer.ts";
import { askWith, AUDIENCE, githubRules } from "../support/rules.ts";
import { waitFor } from "../support/wait.ts";

/** Between two fetches of the keys of an issuer. */
const COOLDOWN = 30_000;
const AFTER_COOLDOWN = COOLDOWN + 15_000;
/** The issuer notes a request a moment later than the daemon sends it. */
const OTHER_CLOCK = 500;
const TEST_TIMEOUT = 90_000;
const KEYS_DEADLINE = 10_000;
const RANDOM_KIDS = 10_000;
const AT_A_TIME = 200;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dstest-identity-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.concurrent(
  "GitHub's tokens are accepted in both forms of sub and both lifetimes, and refused in the same words",
  async () => {
    await using place = await setUp();
    const { issuer, daemon, status } = place;
    expect(await status()).toBe(200);
    expect(await status({ sub: "ids", lifeSeconds: 21_600 })).toBe(200);
    const forged = { key: { ...newOidcKey(), kid: issuer.key().kid } };
    const cases: [options: TokenOptions, status: number, text: string][] = [
      [forged, 401, "unauthorized\n"],
      [{ audience: "https://github.com/acme" }, 401, "unauthorized\n"],
      [{ claims: { iat: Math.floor(Date.now() / 1000) - 601 }, lifeSeconds: 21_600 }, 401, "unauthorized\n"],
      [{ job: { repository: "mallory/shop", repositoryId: "1", ownerId: "2" } }, 403, "forbidden\n"],
      [{ job: { event: "pull_request", ref: "refs/pull/7/merge" } }, 403, "forbidden\n"],
      [{ job: { event: "pull_request_target" } }, 403, "forbidden\n"],
    ];
    for (const [options, ...expected] of cases) {
      const token = issuer.token({ audience: AUDIENCE, ...options });
      const reply = await daemon.request("GET", "/config", { headers: { Authorization: `Bearer ${token}` } });
      expect([reply.status, reply.text]).toEqual(expected);
      const id = reply.headers.get("X-Request-Id");
      const line = await daemon.waitForLog(({ fields }) => fields?.["request_id"] === id);
      expect(line).toMatchObject({ level: "warn", fields: { cause: expect.stringMatching(/./) as string } });
      for (const part of token.split(".")) expect(JSON.stringify(daemon.log())).not.toContain(part);
    }
    expect(issuer.fetches).toHaveLength(1);
  },
);

for (const overlap of [true, false])
  test.concurrent(
    `a key that is changed is found, ${overlap ? "with" : "without"} the one before beside it`,
    async () => {
      await using place = await setUp();
      const { issuer, status } = place;
      const old = issuer.key();
      expect(await status()).toBe(200);
      issuer.rotate(overlap);
      await waitFor("the new key", AFTER_COOLDOWN, async () => (await status()) === 200);
      expect(await status({ key: old })).toBe(overlap ? 200 : 401);
      expect(issuer.fetches).toHaveLength(2);
    },
    TEST_TIMEOUT,
  );

test.concurrent(
  "an issuer that is down at the start keeps nobody waiting, and counts when it is back",
  async () => {
    await using place = await setUp({ isDown: true });
    const { issuer, daemon, status } = place;
    expect(await status()).toBe(401);
    await daemon.waitForLog(({ message }) => message.startsWith("keys of an issuer cannot be fetched"));
    issuer.up();
    await waitFor("the keys", AFTER_COOLDOWN, async () => (await status()) === 200);
    expect(issuer.fetches).toHaveLength(1);
  },
  TEST_TIMEOUT,
);

for (const failure of ["hang", "drip", "html", "elsewhere"] as const)
  test.concurrent(
    `an issuer that fails later (${failure}) takes no known key away, and brings no new one`,
    async () => {
      await using place = await setUp();
      const { issuer, daemon, status } = place;
      expect(await status()).toBe(200);
      issuer.failKeys(failure);
      const old = issuer.key();
      const young = issuer.rotate(true);
      await waitFor("a fetch", AFTER_COOLDOWN, async () => {
        expect(await status({ key: young })).toBe(401);
        return issuer.fetches.length > 1;
      });
      expect(await status({ key: old })).toBe(200);
      await issuer.down();
      expect(await status({ key: old })).toBe(200);
      expect((await daemon.request("GET", "/health")).status).toBe(200);
    },
    TEST_TIMEOUT,
  );

test.concurrent(
  "10,000 random kids cause a fetch in half a minute at most, and good tokens pass meanwhile",
  async () => {
    await using place = await setUp();
    const { issuer, daemon, status } = place;
    const [, claims, signature] = issuer.token({ audience: AUDIENCE }).split(".");
    const withRandomKid = async (): Promise<number> => {
      const header = segment({ alg: "RS256", typ: "JWT", kid: crypto.randomUUID() });
      const headers = { Authorization: `Bearer ${header}.${claims}.${signature}` };
      return (await daemon.request("GET", "/config", { headers })).status;
    };
    for (let sent = 0; sent < RANDOM_KIDS; sent += AT_A_TIME) {
      const statuses = await Promise.all(Array.from({ length: AT_A_TIME }, withRandomKid));
      expect(new Set(statuses)).toEqual(new Set([401]));
      expect(await status()).toBe(200);
    }
    const gaps = issuer.fetches.slice(1).map((at, index) => at - (issuer.fetches[index] ?? 0));
    for (const gap of gaps) expect(gap).toBeGreaterThan(COOLDOWN - OTHER_CLOCK);
    expect(issuer.fetches.length).toBeGreaterThan(0);
  },
  TEST_TIMEOUT,
);

/** An issuer, and a daemon that reads its keys and has no other. */
async function setUp({ isDown = false } = {}) {
  const stack = new AsyncDisposableStack();
  try {
    const issuer = stack.use(await startOidcIssuer());
    if (isDown) await issuer.down();
    const rules = join(folder, `${crypto.randomUUID()}.yml`);
    writeFileSync(rules, githubRules(issuer, "read: [web]"));
    const env = { RULES_FILE: rules, JWT_PUBLIC_KEY_PATH: "", NODE_EXTRA_CA_CERTS: issuer.caFile };
    const daemon = stack.use(await startAlone({ env }));
    if (!isDown) await waitFor("the keys", KEYS_DEADLINE, () => issuer.fetches.length > 0);
    const status = async (options: TokenOptions = {}): Promise<number> =>
      (await askWith(issuer, daemon, ["GET", "/config"], options)).status;
    return { issuer, daemon, status, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
