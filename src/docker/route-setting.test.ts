import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import type { Route } from "../core/settings.ts";
import { RouteSetting, RoutesSetting } from "./route-setting.ts";

const read = (value: unknown): Route[] => RoutesSetting.parse(value);

function problemsOf(value: unknown): string[] {
  const { error } = RoutesSetting.safeParse(value);
  return (error?.issues ?? []).map(({ path, message }) => [...path, message].join(": "));
}

test("one route is a mapping, several are a list", () => {
  expect(read({ host: "Shop.Example.COM" })).toEqual([{ host: "shop.example.com", path: "/" }]);
  expect(read([{ path: "/a" }, { host: "*.example.com", path: "/B" }])).toEqual([
    { host: undefined, path: "/a" },
    { host: "*.example.com", path: "/B" },
  ]);
});

test.each(["localhost", "a.b", "xn--bcher-kva.example", "*.example.com", "1.2.3.4", "a".repeat(63)])(
  "%s is a host",
  (host) => {
    expect(read({ host })[0]?.host).toBe(host);
  },
);

test.each(["/", "/a/", "/a/b.c-d_e~f", "/%20%2F", "/@user:x+y=z", `/${"x".repeat(1_023)}`])(
  "%s is a path",
  (path) => {
    expect(read({ path })[0]?.path).toBe(path);
  },
);

describe("refused is", () => {
  const MAPPING = "must be a mapping with host, path or both";
  const HOST = "host: must be a host name, as in shop.example.com or *.example.com";
  const CHARACTERS = "path: must be of letters, digits, slashes and . _ ~ : @ + = -: write the rest as %20";
  const DOTS = "path: must not have . or .. between slashes: no request has them when it arrives";

  test.each<[value: unknown, problem: string]>([
    ["shop.example.com/path", `${MAPPING}, not a text`],
    [null, `${MAPPING}, not nothing`],
    [{}, "says neither host nor path: for every request write path: /"],
    [[], "has no route in its list"],
    [["shop.example.com"], `0: ${MAPPING}, not a text`],
    [[{ host: "a" }, { host: "A", path: "/" }], "1: is there twice"],

    [{ host: "" }, "host: must be a host name, not an empty text"],
    [{ host: 7 }, "host: is a number to YAML: put it in quotes"],
    [{ host: null }, "host: must be a text, not nothing"],
    [{ host: "https://shop.example.com" }, "host: must be the host name alone, as in shop.example.com"],
    [{ host: "shop.example.com/cart" }, "host: must be the host name alone: write what follows it in path"],
    [
      { host: "shop.example.com:80" },
      "host: must be without a port: those of the edge are x-deployer.edge.http and https",
    ],
    [{ host: "bücher.example" }, "host: must be written in ASCII: the name as in a certificate, xn--…"],
    ...["a_b", "-a", "a-", "a..b", ".a", "a.", "*", "*.", "a.*.b", "*a.b", "*.*.a", "a b", "a\nb", "a\n"].map(
      (host): [unknown, string] => [{ host }, HOST],
    ),
    [{ host: "a".repeat(64) }, HOST],
    [
      { host: Array.from({ length: 64 }, () => "abc").join(".") },
      "host: must not be longer than 253 characters",
    ],

    [{ path: "" }, "path: must begin with a slash, as in /shop"],
    [{ path: "shop" }, "path: must begin with a slash, as in /shop"],
    [{ path: true }, "path: is true or false to YAML: put it in quotes"],
    ...["/a?b", "/a#b"].map((path): [unknown, string] => [
      { path },
      "path: must be without ? and #: a route is for a path, whatever is asked of it",
    ]),
    ...[
      "/a b",
      '/"',
      "/'",
      "/\\",
      "/%[src]",
      "/%",
      "/%2",
      "/$HOME",
      "/{",
      "/(a)",
      "/a,b",
      "/*",
      "/ü",
      "/\n",
    ].map((path): [unknown, string] => [{ path }, CHARACTERS]),
    [{ path: "/a//b" }, "path: must not have two slashes in a row"],
    ...["/..", "/a/../b", "/.", "/a/./b", "/%2e%2E/a", "/.%2e"].map((path): [unknown, string] => [
      { path },
      DOTS,
    ]),
    [{ path: `/${"x".repeat(1_024)}` }, "path: must not be longer than 1024 characters"],
  ])("%j", (value, problem) => {
    expect(problemsOf(value)).toEqual([problem]);
  });
});

test("nothing gets through that could be syntax in the configuration of a proxy", () => {
  const near = fc.string({
    unit: fc.constantFrom(...Array.from("aZ09.-_~*/%:[]{}()\"'\\#?$ \t\n\0;,!&|<>=+@é")),
    maxLength: 12,
  });
  const text = fc.oneof(
    near,
    near.map((rest) => `/${rest}`),
    fc.string({ unit: "binary" }),
  );
  let accepted = 0;
  fc.assert(
    fc.property(text, text, (host, path) => {
      const one = RouteSetting.safeParse({ host, path: "/" });
      const other = RouteSetting.safeParse({ host: "a", path });
      accepted += Number(one.success) + Number(other.success);
      expect(one.data?.host ?? "a").toMatch(/^(?:\*\.)?[a-z0-9]+(?:[.-]+[a-z0-9]+)*$/);
      expect(other.data?.path ?? "/").toMatch(/^\/(?:[A-Za-z0-9._~:@+=/-]|%[0-9A-Fa-f]{2})*$/);
      expect(`${one.data?.host}${other.data?.path}`).not.toMatch(/[\s"'\\#?$(){}[\]<>|;,&!`]|[^!-~]/);
    }),
    { numRuns: 1_000 },
  );
  expect(accepted).toBeGreaterThan(0);
});
