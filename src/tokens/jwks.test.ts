import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

import { fakeLog } from "../../test/fakes/log.ts";
import { newOidcKey, type OidcKey } from "../../test/support/oidc-issuer.ts";
import { createKeySet } from "./jwks.ts";

const URL = "https://token.actions.githubusercontent.com/.well-known/jwks";
const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;
const old = newOidcKey("old");
const young = newOidcKey("young");

function scene() {
  let time = 1;
  const log = fakeLog();
  const scene = {
    log,
    asked: [] as number[],
    answer: (): Response | Promise<Response> => jwks(old),
    later: (milliseconds: number) => void (time += milliseconds),
    async kids(...kids: string[]): Promise<string[]> {
      const found = await Promise.all(kids.map(async (kid) => [kid, await set.find(kid)] as const));
      return found.filter(([, keys]) => keys.length > 0).map(([kid]) => kid);
    },
    said: () => log.lines.map(({ level, message }) => `${level} ${message}`),
    prefetch: () => set.prefetch(),
  };
  const set = createKeySet({
    url: URL,
    log,
    now: () => time,
    fetch: async (url, { redirect, method }) => {
      scene.asked.push(time);
      expect([url, redirect, method]).toEqual([URL, "manual", "GET"]);
      return await scene.answer();
    },
  });
  return scene;
}

function jwks(...keys: OidcKey[]): Response {
  return Response.json({ keys: keys.map(({ jwk }) => jwk) });
}

describe("a key that is known", () => {
  test("is found without a fetch for ten minutes, then fetched anew", async () => {
    const here = scene();
    expect(await here.kids("old")).toEqual(["old"]);
    here.later(600 * SECOND - 1);
    expect(await here.kids("old")).toEqual(["old"]);
    expect(here.asked).toHaveLength(1);
    here.later(1);
    expect(await here.kids("old")).toEqual(["old"]);
    expect(here.asked).toHaveLength(2);
  });

  test("that is withdrawn is believed for ten minutes at most", async () => {
    const here = scene();
    await here.kids("old");
    here.answer = () => jwks(young);
    here.later(600 * SECOND);
    expect(await here.kids("old")).toEqual([]);
  });

  test("is kept for a day while the issuer cannot be reached, which is said once, and not longer", async () => {
    const here = scene();
    await here.kids("old");
    here.answer = () => Promise.reject(new Error("connection refused"));
    for (let at = 0; at < DAY - 600 * SECOND; at += 600 * SECOND) {
      here.later(600 * SECOND);
      expect(await here.kids("old")).toEqual(["old"]);
    }
    expect(here.said()).toEqual([
      "info keys of an issuer fetched",
      "warn keys of an issuer cannot be fetched; those known stay in use for a day",
    ]);
    here.later(600 * SECOND);
    expect(await here.kids("old")).toEqual([]);
    here.answer = () => jwks(old);
    here.later(30 * SECOND);
    expect(await here.kids("old")).toEqual(["old"]);
    expect(here.said().at(-1)).toBe("info keys of an issuer fetched");
  });
});

describe("a key that is not known", () => {
  test("is asked for, and found after a rotation, with the one before beside it or without", async () => {
    for (const [after, found] of [
      [
        [old, young],
        ["old", "young"],
      ],
      [[young], ["young"]],
    ] as const) {
      const here = scene();
      await here.kids("old");
      here.later(30 * SECOND);
      here.answer = () => jwks(...after);
      expect(await here.kids("young")).toEqual(["young"]);
      expect(await here.kids("old", "young")).toEqual([...found]);
      expect(here.asked).toHaveLength(2);
    }
  });

  test("is asked for at most once in half a minute, whatever it is called: 10,000 random ones", async () => {
    const here = scene();
    await here.prefetch();
    for (let n = 0; n < 10_000; n++) {
      here.later(10);
      expect(await here.kids(crypto.randomUUID())).toEqual([]);
    }
    // 100 s, and the fetch at the start.
    expect(here.asked.length).toBeLessThanOrEqual(4);
    const gaps = here.asked.slice(1).map((at, index) => at - (here.asked[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(30 * SECOND);
    expect(await here.kids("old")).toEqual(["old"]);
  });

  test("is asked for once also by 10,000 at once", async () => {
    const here = scene();
    const { promise, resolve } = Promise.withResolvers<Response>();
    here.answer = () => promise;
    const found = here.kids("old", ...Array.from({ length: 10_000 }, () => crypto.randomUUID()));
    resolve(jwks(old));
    expect(await found).toEqual(["old"]);
    expect(here.asked).toHaveLength(1);
  });
});

describe("an issuer that fails", () => {
  test("is asked again after half a minute, and not before", async () => {
    const here = scene();
    here.answer = () => Promise.reject(new Error("connection refused"));
    expect(await here.prefetch()).toBe("connection refused");
    here.answer = () => jwks(old);
    here.later(30 * SECOND - 1);
    expect(await here.kids("old")).toEqual([]);
    here.later(1);
    expect(await here.kids("old")).toEqual(["old"]);
    expect(here.asked).toHaveLength(2);
  });

  const huge = JSON.stringify({ keys: [old.jwk], padding: "x".repeat(1024 * 1024) });
  const ANSWERS: [what: string, answer: () => Response, reason: RegExp][] = [
    ["an error", () => new Response("{}", { status: 503 }), /200 OK/],
    [
      "a redirect",
      () => new Response(null, { status: 302, headers: { Location: "https://example.com" } }),
      /200 OK/,
    ],
    ["HTML", () => new Response("<!DOCTYPE html>", { headers: { "Content-Type": "text/html" } }), /as JSON/],
    ["half of it", () => new Response('{"keys":['), /as JSON/],
    ["another JSON", () => Response.json({ errors: [] }), /malformed/],
    ["no key at all", () => Response.json({ keys: [] }), /no key for RS256/],
    [
      "only an EC key",
      () => Response.json({ keys: [{ kty: "EC", crv: "P-256", kid: "old", use: "sig" }] }),
      /no key for RS256/,
    ],
    ["a megabyte and more", () => new Response(huge), /larger than/],
  ];
  test.each(ANSWERS)("by %s changes nothing", async (_, answer, reason) => {
    const here = scene();
    await here.kids("old");
    here.answer = answer;
    here.later(600 * SECOND);
    expect(await here.kids("old")).toEqual(["old"]);
    expect(here.asked).toHaveLength(2);
    expect(here.log.lines.at(-1)).toMatchObject({
      level: "warn",
      fields: { reason: expect.stringMatching(reason) },
    });
  });
});

test("an issuer without TLS is never asked", async () => {
  let visits = 0;
  const server = Bun.serve({ port: 0, fetch: () => ((visits += 1), jwks(old)) });
  const set = createKeySet({ url: `http://localhost:${server.port}/jwks`, log: fakeLog() });
  expect(await set.prefetch()).toMatch(/is not https/);
  expect(visits).toBe(0);
  await server.stop(true);
});

test("what is packed is counted as it is unpacked", async () => {
  const packed = gzipSync(JSON.stringify({ keys: [old.jwk], padding: " ".repeat(4 * 1024 * 1024) }));
  const server = Bun.serve({
    port: 0,
    fetch: () => new Response(packed, { headers: { "Content-Encoding": "gzip" } }),
  });
  const set = createKeySet({
    url: URL,
    log: fakeLog(),
    fetch: (_, { signal }) => fetch(server.url, { signal }),
  });
  expect(packed.length).toBeLessThan(100_000);
  expect(await set.prefetch()).toMatch(/larger than/);
  await server.stop(true);
});
