import { describe, expect, test } from "bun:test";

import { nowhere, sayProblem } from "../core/problem.ts";
import { readEdge } from "./edge-setting.ts";

function edgeOf(edge: unknown) {
  const read = readEdge({ edge }, "/srv/shop");
  if ("problems" in read) throw new Error(read.problems.map(({ why }) => why).join("\n"));
  return read.edge;
}

function problemsOf(top: unknown): string[] {
  const read = readEdge(top, "/srv/shop");
  if (!("problems" in read)) return [];
  return read.problems.map((problem) => sayProblem({ ...problem, service: undefined }, nowhere));
}

test("everything can be said, and paths are relative to the folder of the file", () => {
  const edge = {
    http: 80,
    https: "443",
    certs: "./certs",
    acme_challenges: "/var/lib/acme",
    image: "haproxy:3.2",
    webhook: { host: "Deploy.example.com", path: "/deploy" },
  };
  expect(edgeOf(edge)).toEqual({
    http: 80,
    https: 443,
    certs: "/srv/shop/certs",
    challenges: "/var/lib/acme",
    image: "haproxy:3.2",
    webhook: { host: "deploy.example.com", path: "/deploy" },
  });
});

test("a port is enough, and a doubled $ is one", () => {
  const nothing = { https: undefined, certs: undefined, image: undefined, webhook: undefined };
  expect(edgeOf({ http: 80 })).toEqual({ ...nothing, http: 80, challenges: undefined });
  expect(edgeOf({ https: 1, certs: "$$c" })?.certs).toBe("/srv/shop/$c");
});

test("nothing said is no edge", () => {
  for (const nothing of [undefined, null, {}]) expect(readEdge(nothing, "/srv")).toEqual({ edge: undefined });
});

describe("refused is", () => {
  const FOLDER = "must be a folder";
  test.each<[top: unknown, problem: string]>([
    ["edge", "x-deployer: must be a mapping with edge, not a text"],
    [{ strategy: "rolling" }, "x-deployer.strategy: unknown key, there are edge"],
    [{ edges: {} }, "x-deployer.edges: unknown key, meant is perhaps edge"],
    [{ edge: null }, "x-deployer.edge: must be a mapping, not nothing"],
    [{ edge: [80] }, "x-deployer.edge: must be a mapping, not a list"],
    [{ edge: {} }, "x-deployer.edge: listens nowhere: add http: 80, https: 443 or both"],
    [{ edge: { htps: 443 } }, "x-deployer.edge.htps: unknown key, meant is perhaps https"],
    [{ edge: { http: 0 } }, "x-deployer.edge.http: must be a port from 1 to 65535"],
    [{ edge: { http: 80, htps: 443 } }, "x-deployer.edge.htps: unknown key, meant is perhaps https"],
    [{ edge: { http: 80, https: 80, certs: "c" } }, "x-deployer.edge.https: must be another port than http"],
    [{ edge: { https: 443 } }, "x-deployer.edge.https: needs certificates: name their folder in certs"],
    [
      { edge: { http: 80, certs: "c" } },
      "x-deployer.edge.certs: is for https, and there is no port for it: add https: 443",
    ],
    [{ edge: { https: 443, certs: "" } }, `x-deployer.edge.certs: ${FOLDER}, not an empty text`],
    [{ edge: { https: 443, certs: 7 } }, "x-deployer.edge.certs: is a number to YAML: put it in quotes"],
    [
      { edge: { https: 443, certs: "~/certs" } },
      "x-deployer.edge.certs: must be written out: ~ is nobody's home here",
    ],
    [
      { edge: { http: 80, acme_challenges: "a\nb" } },
      "x-deployer.edge.acme_challenges: must not have line breaks or other control characters",
    ],
    [{ edge: { http: 80, image: "Not One" } }, "x-deployer.edge.image: is not an image reference"],
    [
      { edge: { http: 80, webhook: "deploy.example.com" } },
      "x-deployer.edge.webhook: must be a mapping with host, path or both, not a text",
    ],
    [
      { edge: { http: 80, webhook: { hst: "a", path: "/" } } },
      "x-deployer.edge.webhook.hst: unknown key, meant is perhaps host",
    ],
  ])("%j", (top, problem) => {
    expect(problemsOf(top)).toEqual([problem]);
  });
});
