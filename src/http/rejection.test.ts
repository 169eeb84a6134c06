import { expect, test } from "bun:test";

import { toRejection } from "./rejection.ts";

const REFUSED = {
  remote: "192.0.2.7",
  method: "POST",
  path: "/deploy",
  code: "unauthorized",
  cause: "token signature is invalid",
  verified: false,
} as const;
const TOKEN = `eyJhbGciOiJSUzI1NiJ9.${"a".repeat(40)}.${"b".repeat(86)}`;

test("it keeps what the token showed as it is", () => {
  const claims = { iss: "ci", exp: 1_795_435_200, ok: true, none: null };
  expect(toRejection(REFUSED, claims)).toEqual({ ...REFUSED, claims });
  expect(toRejection(REFUSED, undefined)).toEqual({ ...REFUSED, claims: undefined });
});

test("each text is cut, and all claims together", () => {
  const long = "x".repeat(5_000);
  const { path, cause, claims } = toRejection(
    { ...REFUSED, path: `/${long}`, cause: long },
    { long, list: [long], [long]: 1 },
  );
  expect([path.length, cause.length]).toEqual([301, 301]);
  expect(claims).toEqual({
    long: `${"x".repeat(300)}…`,
    list: expect.stringMatching(/^\["x{298}…$/),
    ["x".repeat(64)]: 1,
  });
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`claim ${n}`, "y".repeat(290)]));
  const kept = toRejection(REFUSED, many);
  expect(JSON.stringify(kept).length).toBeLessThan(7_000);
  expect(kept.claims).toMatchObject({ "claim 0": "y".repeat(290), "…": "…" });
});

test("nothing that looks like a secret is kept, wherever it stands", () => {
  const claims = { nested: { a: [TOKEN] }, password: "hunter2", note: `Bearer ${TOKEN}`, [TOKEN]: 1 };
  const kept = JSON.stringify(
    toRejection({ ...REFUSED, path: `/deployments/${TOKEN}`, cause: `of ${TOKEN}` }, claims),
  );
  for (const secret of ["hunter2", TOKEN, "b".repeat(60)]) expect(kept).not.toContain(secret);
});

test("claims of any shape are survived", () => {
  const deep = JSON.parse(`${'{"a":'.repeat(2_000)}1${"}".repeat(2_000)}`) as Record<string, unknown>;
  const proto = JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>;
  for (const claims of [deep, proto, {}]) {
    const kept = toRejection(REFUSED, claims);
    expect(kept).toMatchObject({ path: REFUSED.path, cause: REFUSED.cause });
    expect(Object.keys(kept.claims ?? {})).toEqual(Object.keys(claims));
    expect(JSON.stringify(kept).length).toBeLessThan(7_000);
  }
  expect("polluted" in {}).toBe(false);
});
