import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Log } from "../core/ports.ts";
import { type EdgeState, makeFolder, NO_STATE, openEdgeStore } from "./state.ts";

function withFolder(task: (folder: string, warnings: string[], log: Log) => void): void {
  const folder = join(mkdtempSync(join(tmpdir(), "edge-state-")), "edge");
  const warnings: string[] = [];
  const quiet = () => undefined;
  const warn = (message: string) => void warnings.push(message);
  try {
    task(folder, warnings, { debug: quiet, info: quiet, warn, error: quiet, fatal: quiet });
  } finally {
    rmSync(join(folder, ".."), { recursive: true });
  }
}

test("what was written is read again, by nobody else", () => {
  withFolder((folder, warnings, log) => {
    const state: EdgeState = {
      frontage: {
        project: "shop",
        settings: {
          http: 80,
          https: undefined,
          certs: undefined,
          challenges: undefined,
          image: undefined,
          webhook: { host: undefined, path: "/deploy" },
        },
        routes: new Map([["web", [{ host: undefined, path: "/" }]]]),
        resendAll: new Set(["web"]),
      },
      certificates: undefined,
      directions: new Map([
        ["web", { serving: [{ container: "c1", port: 3000, address: "10.9.0.2" }], standby: [] }],
      ]),
      nextAddress: 7,
      runDir: "/x/run/1",
      earlier: ["/x/run/0"],
    };
    const store = openEdgeStore(folder, log);
    expect(store.state()).toEqual(NO_STATE);
    store.change(state);
    expect(store.state()).toEqual(state);
    expect(openEdgeStore(folder, log).state()).toEqual(state);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "state.json")).mode & 0o777).toBe(0o600);
    expect(warnings).toEqual([]);
  });
});

test("one that was written before services said what may be sent again is read, and nothing more may be", () => {
  withFolder((folder, warnings, log) => {
    const frontage = { project: "shop", settings: { http: 80 }, routes: { web: [{ path: "/" }] } };
    makeFolder(folder);
    writeFileSync(
      join(folder, "state.json"),
      JSON.stringify({ frontage, directions: {}, nextAddress: 7, earlier: [] }),
    );
    const read = openEdgeStore(folder, log).state();
    expect([read.frontage?.resendAll, read.nextAddress]).toEqual([new Set(), 7]);
    expect(warnings).toEqual([]);
  });
});

test("a file that cannot be read counts as none, and that is said", () => {
  withFolder((folder, warnings, log) => {
    makeFolder(folder);
    for (const text of ["", "{", '{"directions":{"web":{"serving":[{"container":"a b"}]}}}']) {
      writeFileSync(join(folder, "state.json"), text);
      expect(openEdgeStore(folder, log).state()).toEqual(NO_STATE);
    }
    expect(warnings.length).toBe(3);
  });
});
