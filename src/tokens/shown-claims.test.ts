import { expect, test } from "bun:test";

import { shownClaims } from "./shown-claims.ts";
import { segment } from "./test-keys.ts";

test("claims are shown whatever the rest of the token is", () => {
  for (const [head, signature] of [
    [segment({ alg: "none" }), ""],
    ["", "x"],
    [segment({ alg: "RS256", jwk: {} }), segment("signature")],
  ])
    expect(shownClaims(`${head}.${segment({ iss: "ci", exp: 1 })}.${signature}`)).toEqual({
      iss: "ci",
      exp: 1,
    });
});

test.each([
  ["nothing", ""],
  ["one part", segment({ iss: "ci" })],
  ["no JSON", `a.${segment("{")}.b`],
  ["a list", `a.${segment("[1]")}.b`],
  ["null", `a.${segment("null")}.b`],
  ["more than 8 KB", `a.${segment({ x: "y".repeat(8_000) })}.b`],
])("%s shows none", (_, token) => {
  expect(shownClaims(token)).toBeUndefined();
});
