import { readFileSync } from "node:fs";

import { expect, test } from "bun:test";

import { startRoutedScene } from "../support/routed-scene.ts";
import { deployTo, proxiesOf, routedService, visit } from "../support/routed-service.ts";

const DEADLINE = 120_000;
const OF_THE_EDGE = / {6}(?:route|drain): .*\n/g;
const TAKEN_AWAY: [what: string, edit: (text: string, port: number) => string][] = [
  ["its route", (text) => text.replace(OF_THE_EDGE, "")],
  [
    "the whole edge, whose port it publishes itself",
    (text, port) =>
      text
        .replace(/x-deployer:\n {2}edge: .*\n/, "")
        .replace(OF_THE_EDGE, "")
        .replace("    x-deployer:\n", `    ports: ["127.0.0.1:${port}:8080"]\n    x-deployer:\n`),
  ],
];

test.concurrent.each(TAKEN_AWAY)(
  "a candidate that crashes, and takes away %s: what ran before is back, and answers where it did",
  async (_, edit) => {
    await using routed = await startRoutedScene({ services: routedService });
    const before = await visit(routed);
    expect(before).toMatchObject({ status: 200, text: "v1" });
    const text = readFileSync(routed.project.file, "utf8");
    const edited = edit(text, routed.port);
    expect(edited).not.toBe(text);
    routed.project.write(edited);
    const { record } = await deployTo(routed, await routed.publish("v2", { crashAfterMs: 300 }));
    expect(record.status).toMatch(/^(rolled_back|failed)$/);
    expect(record.reason).toContain(`this deployment has brought back: `);
    expect(await visit(routed)).toMatchObject({ status: 200, text: "v1", service: before.service });
    expect(await proxiesOf(routed)).toHaveLength(1);
  },
  DEADLINE,
);
