import { expect, test } from "bun:test";

import { DeployerError } from "../core/errors.ts";
import type { Clock, Log } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import type { Authorization } from "./authorization.ts";
import { createEcrTokens } from "./token.ts";

const HOUR = 3_600_000;
const NOON = Date.parse("2026-11-23T12:00:00Z");
const DOWN = new DeployerError("registry_unavailable", "no ECR token from us-west-2: connection refused");

/** Time that passes only when somebody sleeps or `pass` is called. */
function setUp(authorize?: (call: number) => Authorization) {
  let now = NOON;
  let calls = 0;
  const logged: { message: string; fields: Record<string, unknown> }[] = [];
  const note = (message: string, fields: Record<string, unknown> = {}) =>
    void logged.push({ message, fields });
  const log: Log = { debug: note, info: note, warn: note, error: note, fatal: note };
  const clock: Clock = {
    now: () => now,
    async sleep(milliseconds, signal) {
      await Promise.resolve();
      signal?.throwIfAborted();
      now += milliseconds;
    },
  };
  const life = (call: number): Authorization => ({
    username: "AWS",
    password: new Secret(`token-${call}`),
    expiresAt: now + 12 * HOUR,
  });
  const tokens = createEcrTokens({
    region: "us-west-2",
    domain: "r.example",
    clock,
    log,
    authorize: async () => {
      await Promise.resolve();
      calls += 1;
      return (authorize ?? life)(calls);
    },
  });
  return {
    tokens,
    logged,
    life,
    calls: () => calls,
    now: () => now,
    pass: (milliseconds: number) => {
      now += milliseconds;
    },
    password: async () => (await tokens.credential())?.password.reveal(),
    /** Lets the loop live until this many calls were made or `hours` have passed. */
    live: async (hours: number, untilCalls = Number.POSITIVE_INFINITY) => {
      const controller = new AbortController();
      const end = now + hours * HOUR;
      const loop = tokens.keepFresh(controller.signal);
      const isOver = () => now >= end || calls >= untilCalls;
      while (!isOver()) await Promise.resolve();
      controller.abort();
      await loop;
    },
  };
}

test("the first use logs in, the next ones share the credential", async () => {
  const { tokens, password, calls, logged } = setUp();
  expect(tokens.state()).toEqual({ ok: false, reason: "not logged in yet" });
  expect(await password()).toBe("token-1");
  expect(await password()).toBe("token-1");
  expect(calls()).toBe(1);
  expect((await tokens.credential())?.server).toBe("r.example");
  expect(tokens.state()).toEqual({ ok: true, expiresAt: NOON + 12 * HOUR });
  expect(logged).toEqual([
    {
      message: "registry login successful",
      fields: { registry: "r.example", expiresAt: "2026-11-24T00:00:00.000Z" },
    },
  ]);
});

test("callers at the same time share one login", async () => {
  const { tokens, calls } = setUp();
  await Promise.all([tokens.credential(), tokens.renew(), tokens.renew(), tokens.credential()]);
  expect(calls()).toBe(1);
  await tokens.renew();
  expect(calls()).toBe(2);
});

test("a token with less than an hour left is refreshed before it is used", async () => {
  const { password, pass } = setUp();
  await password();
  pass(10.9 * HOUR);
  expect(await password()).toBe("token-1");
  pass(0.2 * HOUR);
  expect(await password()).toBe("token-2");
});

test("when that refresh fails the old token is used", async () => {
  const setup = setUp((call) => {
    if (call > 1) throw DOWN;
    return { username: "AWS", password: new Secret("old"), expiresAt: NOON + 12 * HOUR };
  });
  await setup.password();
  setup.pass(11.5 * HOUR);
  expect(await setup.password()).toBe("old");
  expect(setup.tokens.state().ok).toBe(true);
  setup.pass(HOUR);
  expect(await setup.password()).toBe("old");
  expect(setup.tokens.state()).toEqual({ ok: false, reason: DOWN.message });
});

test("a first login that fails is the caller's error", async () => {
  const { tokens } = setUp(() => {
    throw DOWN;
  });
  await expect(tokens.credential()).rejects.toBe(DOWN);
  expect(tokens.state()).toEqual({ ok: false, reason: DOWN.message });
});

test("dropped, there is no credential until somebody logs in again", async () => {
  const { tokens, password, live, calls } = setUp();
  await password();
  tokens.drop();
  expect(await password()).toBeUndefined();
  expect(tokens.state()).toEqual({ ok: false, reason: "logged out; the next pull logs in again" });
  await live(24);
  expect(calls()).toBe(1);
  await tokens.renew();
  expect(await password()).toBe("token-2");
  expect(tokens.state().ok).toBe(true);
});

test("dropped while a login is under way, that login does not bring the credential back", async () => {
  const { tokens, password, live, calls } = setUp();
  const overtaken = tokens.renew();
  tokens.drop();
  expect((await overtaken).password.reveal()).toBe("token-1");
  expect(await password()).toBeUndefined();
  expect(tokens.state()).toEqual({ ok: false, reason: "logged out; the next pull logs in again" });
  await live(24);
  expect(calls()).toBe(1);
});

test("who logs in after the drop does not share the login that began before it", async () => {
  const { tokens, password, calls } = setUp();
  const overtaken = tokens.renew();
  tokens.drop();
  const [, again, shared] = await Promise.all([overtaken, tokens.renew(), tokens.renew()]);
  expect([again, shared].map((one) => one.password.reveal())).toEqual(["token-2", "token-2"]);
  expect(await password()).toBe("token-2");
  expect(calls()).toBe(2);
});

test("an overtaken login that fails late puts nothing off", async () => {
  const first = Promise.withResolvers<never>();
  const answers = [first.promise, Promise.resolve(setUp().life(2))];
  const tokens = createEcrTokens({
    region: "us-west-2",
    domain: "r.example",
    clock: { now: () => NOON, sleep: () => Promise.resolve() },
    log: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} },
    authorize: () => answers.shift() ?? Promise.reject(DOWN),
  });
  const overtaken = tokens.renew().catch((error: unknown) => error);
  tokens.drop();
  await tokens.renew();
  first.reject(DOWN);
  expect(await overtaken).toBe(DOWN);
  expect(tokens.state().ok).toBe(true);
  expect((await tokens.credential())?.password.reveal()).toBe("token-2");
});

test("the background login comes at once and then at every half life", async () => {
  const { live, calls } = setUp();
  await live(25);
  expect(calls()).toBe(5);
});

test("a token that is said to have expired already is used, and asked for at the pace of a normal one", async () => {
  const { live, calls, password, tokens } = setUp(() => ({
    username: "AWS",
    password: new Secret("emulated"),
    expiresAt: NOON - 1_000 * HOUR,
  }));
  await live(25);
  expect(calls()).toBe(5);
  expect(await password()).toBe("emulated");
  expect(tokens.state().ok).toBe(true);
});

test("a token that lives for seconds is asked for twice a minute at most", async () => {
  const setup = setUp((call) => ({
    username: "AWS",
    password: new Secret(String(call)),
    expiresAt: setup.now() + 2_000,
  }));
  await setup.live(0.5);
  expect(setup.calls()).toBeLessThanOrEqual(61);
});

test("failing logins are repeated after growing pauses, a quarter of an hour at most", async () => {
  const at: number[] = [];
  const setup = setUp((call) => {
    at.push(setup.now());
    if (call < 12) throw DOWN;
    return setup.life(call);
  });
  await setup.live(24, 12);
  const pauses = at.slice(1).map((time, index) => (time - (at[index] ?? 0)) / 1000);
  expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]);
  expect(setup.tokens.state().ok).toBe(true);
});

test("pulls that fail to log in do not put off the login in the background", async () => {
  const at: number[] = [];
  const setup = setUp((call) => {
    at.push(setup.now());
    if (call < 6) throw DOWN;
    return setup.life(call);
  });
  await setup.live(24, 1);
  for (let pull = 0; pull < 4; pull += 1) await setup.tokens.renew().catch(() => undefined);
  await setup.live(24, 6);
  expect(at.map((time) => (time - NOON) / 1000)).toEqual([0, 0, 0, 0, 0, 5]);
  expect(setup.tokens.state().ok).toBe(true);
});

test("nothing that is logged holds the token", async () => {
  const { tokens, logged, live } = setUp();
  await live(13);
  tokens.drop();
  await tokens.renew();
  expect(JSON.stringify(logged)).not.toContain("token-");
  expect(Bun.inspect([logged, await tokens.credential(), tokens.state()])).not.toContain("token-");
});
