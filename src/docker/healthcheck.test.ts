import { expect, test } from "bun:test";

import { healthcheckOf } from "./healthcheck.ts";
import type { Inspection } from "./inspect.ts";

type Config = Inspection["Config"];
const BARE: Config = { Image: "web:v1", Tty: false };
const NOTHING_SET = { Interval: 0, Timeout: 0, StartPeriod: 0, Retries: 0 };

test.each<[string, Config["Healthcheck"]]>([
  ["nothing", undefined],
  ["null", null],
  ["no test", { ...NOTHING_SET, Interval: 1_000_000_000 }],
  ["a test that is null", { ...NOTHING_SET, Test: null }],
  ["an empty test", { ...NOTHING_SET, Test: [] }],
  ["NONE", { ...NOTHING_SET, Test: ["NONE"] }],
  ["CMD of nothing", { ...NOTHING_SET, Test: ["CMD"] }],
  ["CMD-SHELL of nothing", { ...NOTHING_SET, Test: ["CMD-SHELL"] }],
  ["a form of a later Docker", { ...NOTHING_SET, Test: ["HTTP", "/"] }],
])("%s is no health check", (_, Healthcheck) => {
  expect(healthcheckOf({ ...BARE, Healthcheck })).toBeUndefined();
});

test.each<[string, Partial<Config>, string[], string[]]>([
  ["CMD is executed as it is", {}, ["CMD", "curl", "-f", "a b"], ["curl", "-f", "a b"]],
  ["CMD-SHELL goes to /bin/sh", {}, ["CMD-SHELL", "curl || exit 1"], ["/bin/sh", "-c", "curl || exit 1"]],
  [
    "CMD-SHELL goes to the image's SHELL",
    { Shell: ["/bin/bash", "-ec"] },
    ["CMD-SHELL", "x"],
    ["/bin/bash", "-ec", "x"],
  ],
  ["an empty SHELL is none", { Shell: [] }, ["CMD-SHELL", "x"], ["/bin/sh", "-c", "x"]],
  ["CMD has no use for SHELL", { Shell: ["/bin/bash", "-ec"] }, ["CMD", "x"], ["x"]],
])("%s", (_, config, Test, argv) => {
  expect(healthcheckOf({ ...BARE, ...config, Healthcheck: { ...NOTHING_SET, Test } })?.argv).toEqual(argv);
});

test("what is not set has Docker's defaults", () => {
  expect(healthcheckOf({ ...BARE, Healthcheck: { ...NOTHING_SET, Test: ["CMD", "x"] } })).toEqual({
    argv: ["x"],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    retries: 3,
  });
});

test("what is set comes in milliseconds", () => {
  const Healthcheck = {
    Test: ["CMD", "x"],
    Interval: 90_000_000_000,
    Timeout: 1_500_000,
    StartPeriod: 600_000_000_000,
    Retries: 1,
  };
  expect(healthcheckOf({ ...BARE, Healthcheck })).toEqual({
    argv: ["x"],
    intervalMs: 90_000,
    timeoutMs: 2,
    startPeriodMs: 600_000,
    retries: 1,
  });
});
