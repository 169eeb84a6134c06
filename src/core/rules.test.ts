import { describe, expect, test } from "bun:test";

import type { Grant } from "./caller.ts";
import { type ClaimRule, fits, matchRules } from "./rules.ts";

const PATTERNS: [pattern: string, text: string, fits: boolean][] = [
  ["refs/heads/main", "refs/heads/main", true],
  ["refs/heads/main", "refs/heads/mainly", false],
  ["refs/heads/main", "xrefs/heads/main", false],
  ["refs/heads/main", "refs/heads/main\n", false],
  ["refs/heads/m.in", "refs/heads/main", false],
  ["refs/heads/release-*", "refs/heads/release-1.2", true],
  ["refs/heads/release-*", "refs/heads/release-", true],
  ["refs/heads/release-*", "refs/heads/release-1/x", false],
  ["refs/heads/*", "refs/heads/topic", true],
  ["refs/heads/*", "refs/heads/ann/topic", false],
  ["refs/heads/*/topic", "refs/heads/ann/topic", true],
  ["refs/heads/v*.*", "refs/heads/v1.2", true],
  ["refs/heads/*", "refs/heads/a:b", false],
  ["a/b/.github/workflows/*@refs/heads/main", "a/b/.github/workflows/x.yml@refs/heads/main", true],
  ["a/b/.github/workflows/*@refs/heads/main", "a/b/.github/workflows/x@refs/heads/main", true],
  ["a/b/.github/workflows/*", "a/b/.github/workflows/x.yml@refs", false],
  ["*", "", true],
];
test.each(PATTERNS)("%p and %p: %p", (pattern, text, expected) => {
  expect(fits(pattern, text)).toBe(expected);
});

const GRANT: Grant = {
  deploy: new Set(["web"]),
  rollback: new Set(),
  read: new Set(),
  images: "all",
  logs: false,
};
const rule = (at: string, claims: Record<string, string[]>, repository?: string): ClaimRule => ({
  at,
  grant: { ...GRANT, rollback: new Set([at]) },
  conditions: Object.entries(claims).map(([claim, oneOf]) => ({ claim, oneOf })),
  repository,
});

describe("rules", () => {
  const rules = [
    rule("r.yml:1", { id: ["1"], ref: ["main", "v*"] }, "a/b"),
    rule("r.yml:2", { id: ["1"], environment: ["production"] }),
    rule("r.yml:3", { id: ["2"] }),
  ];

  test("add up, those that fit, and the others say why not", () => {
    const { may, misses, renamed } = matchRules(rules, {
      id: "1",
      ref: "v7",
      environment: "production",
      repository: "a/b",
    });
    expect(may.map(({ rollback }) => rollback)).toEqual([new Set(["r.yml:1"]), new Set(["r.yml:2"])]);
    expect(misses).toEqual(['r.yml:3: claim id is "1", not 2']);
    expect(renamed).toEqual([]);
  });

  test("of none that fits nothing is allowed", () => {
    const { may, misses } = matchRules(rules, { id: "1", ref: "topic" });
    expect(may).toEqual([]);
    expect(misses).toEqual([
      'r.yml:1: claim ref is "topic", not main or v*',
      "r.yml:2: claim environment is missing, or not a text",
      'r.yml:3: claim id is "1", not 2',
    ]);
  });

  test.each([[undefined], [null], [1], [true], [["1"]], [{ 0: "1" }]])(
    "a claim that is %p fits nothing",
    (id) => {
      expect(matchRules(rules, { id, ref: "main" }).may).toEqual([]);
    },
  );

  test("that fit a repository of another name say so", () => {
    expect(matchRules(rules, { id: "1", ref: "main", repository: "a/c" }).renamed).toEqual([
      rules[0],
    ] as ClaimRule[]);
    expect(matchRules(rules, { id: "1", ref: "main" }).renamed).toHaveLength(1);
  });
});
