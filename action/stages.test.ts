import { expect, test } from "bun:test";

import { Stages } from "./stages.ts";

/** `phase@seconds`. */
function follow(...events: string[]): Stages {
  const stages = new Stages();
  for (const event of events) stages.add(parse(event));
  stages.end();
  return stages;
}

function parse(event: string): { phase: string; at: string } {
  const [phase = "", seconds] = event.split("@");
  return { phase, at: new Date(Number(seconds) * 1_000).toISOString() };
}

test("each stage lasts until the next one begins, and one that comes twice counts twice", () => {
  const stages = follow(
    "accepted@0",
    "started@2",
    "resolved@3",
    "pulled@10",
    "creating@11",
    "gating@12",
    "switching@14",
    "edge@14.5",
    "gating@15",
    "watching@16",
    "committed@19",
    "removed@20",
    "ended@21",
  );
  expect(stages.times().map(({ stage, milliseconds }) => [stage, milliseconds])).toEqual([
    ["waiting for its turn", 2_000],
    ["bringing the image", 9_000],
    ["preparing", 1_000],
    ["gate", 3_000],
    ["switching", 1_000],
    ["watching", 3_000],
    ["tidying up", 2_000],
  ]);
});

test("a phase of a newer daemon belongs to the stage under way, whatever it is called", () => {
  const stages = new Stages();
  stages.add(parse("gating@1"));
  for (const phase of ["sealing", "constructor", "__proto__"])
    expect(stages.add(parse(`${phase}@2`))).toEqual({ stage: "gate", ended: undefined });
});

test("a clock that is set back makes no negative time", () => {
  expect(follow("accepted@100", "started@50", "ended@51").times()).toEqual([
    { stage: "waiting for its turn", milliseconds: 0 },
    { stage: "bringing the image", milliseconds: 1_000 },
  ]);
});
