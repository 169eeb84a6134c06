import { expect, test } from "bun:test";

import { conditionsOf, inOrder } from "./routes.ts";

const route = (host: string | undefined, path: string) => ({
  route: { host, path },
  backend: `${host} ${path}`,
});

test("an exact host comes before a wildcard before any host, a longer wildcard and a longer path first", () => {
  const wanted = [
    route("a.eu.example.com", "/api/v1"),
    route("example.com", "/api"),
    route("example.com", "/"),
    route("*.eu.example.com", "/"),
    route("*.example.com", "/api/v1/long"),
    route("*.example.com", "/"),
    route(undefined, "/api"),
    route(undefined, "/"),
  ];
  for (const mixed of [wanted.toReversed(), [...wanted.slice(3), ...wanted.slice(0, 3)]])
    expect(inOrder(mixed)).toEqual(wanted);
});

test("a path matches in whole segments", () => {
  expect(conditionsOf({ host: undefined, path: "/" })).toEqual([""]);
  expect(conditionsOf({ host: undefined, path: "/api" })).toEqual([
    "{ path -m str /api }",
    "{ path -m beg /api/ }",
  ]);
  expect(conditionsOf({ host: "*.a.example", path: "/api/" })).toEqual([
    "{ var(txn.host) -m end .a.example } { path -m beg /api/ }",
  ]);
  expect(conditionsOf({ host: "a.example", path: "/" })).toEqual(["{ var(txn.host) -m str a.example }"]);
});
