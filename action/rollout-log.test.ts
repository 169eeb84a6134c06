import { expect, test } from "bun:test";

import type { DeploymentAnswer, EventAnswer } from "../src/client/answers.ts";
import { RolloutLog } from "./rollout-log.ts";

const DEPLOYMENT: DeploymentAnswer = {
  id: "d1",
  kind: "deploy",
  to: null,
  services: [{ service: "web", image: null, digest: null }],
  status: "rolled_back",
  reason: "",
  changed: true,
  created_at: "2026-11-23T12:00:00.000Z",
  started_at: null,
  ended_at: null,
};

function open(now = () => 0): { log: RolloutLog; printed: () => string } {
  let printed = "";
  const write = (text: string) => void (printed += text);
  return { log: new RolloutLog(write, () => "t0ken", now), printed: () => printed };
}

function event(
  second: number,
  phase: string,
  text: string,
  level: EventAnswer["level"] = "info",
): EventAnswer {
  return { seq: second, at: `2026-11-23T12:00:0${second}.000Z`, phase, level, text };
}

test("each stage is a group, and how long it took stands below where it is seen", () => {
  const { log, printed } = open();
  log.event(event(0, "accepted", "me asks for web:v2 on web"));
  log.event(event(1, "resolved", "to be rolled out: web:v2"));
  log.event(event(3, "log", "the disk is nearly full", "warn"));
  log.event(event(5, "creating", "creating 1 beside 1"));
  expect(log.close()).toEqual([
    { stage: "waiting for its turn", milliseconds: 1_000 },
    { stage: "bringing the image", milliseconds: 4_000 },
    { stage: "preparing", milliseconds: 0 },
  ]);
  expect(printed()).toBe(`::group::waiting for its turn
12:00:00  me asks for web:v2 on web
::endgroup::
waiting for its turn: 1.0 s
::group::bringing the image
12:00:01  to be rolled out: web:v2
12:00:03  warning: the disk is nearly full
::endgroup::
bringing the image: 4.0 s
::group::preparing
12:00:05  creating 1 beside 1
::endgroup::
preparing: 0.0 s
`);
});

test("how far a pull has come is told every ten seconds", () => {
  let now = 0;
  const { log, printed } = open(() => now);
  const progress = {
    image: "web:v2",
    downloaded_bytes: 47_185_920,
    total_bytes: 0,
    layers: 9,
    layers_done: 3,
  };
  for (; now < 25_000; now += 1_000) log.progress({ ...progress, total_bytes: now * 10_000 });
  expect(printed()).toBe(
    "00:00:10  web:v2: 45 MiB of 95 MiB, 3 of 9 layers\n00:00:20  web:v2: 45 MiB of 191 MiB, 3 of 9 layers\n",
  );
});

test("no text of an event is a command, and what containers printed is not told among them", () => {
  const { log, printed } = open();
  log.event(event(0, "before", "::error::x\n::set-output name=a::b ##[error]c\u001b[31m", "error"));
  log.event(event(0, "output", "::error::from a container"));
  expect(printed()).toBe(
    "::group::preparing\n12:00:00  error: ::error::x ::set-output name=a::b ## [error]c\n",
  );
});

test("what failed containers printed stands where nothing is interpreted", () => {
  const { log, printed } = open();
  const seen = { service: "web", container: "abc", exit_code: 137, signal: "SIGKILL", oom_killed: true };
  log.failures({
    ...DEPLOYMENT,
    diagnosis: [
      { ...seen, health: "::error::sick\n::error::worse", output: ["::error::x", "two"] },
      { ...seen, exit_code: null, signal: null, oom_killed: false, output: [] },
      { ...seen, service: "hidden", output: [], withheld: "not for you\n::error::x" },
    ],
  });
  expect(printed())
    .toBe(`container abc of service "web": exit code 137 (SIGKILL), killed for lack of memory, health: ::error::sick ::error::worse; the last it printed:
::stop-commands::t0ken
  | ::error::x
  | two
::t0ken::
container abc of service "web": still running; it printed nothing
container abc of service "hidden": exit code 137 (SIGKILL), killed for lack of memory; not for you ::error::x
`);
});

test("a diagnosis that is not understood is left out", () => {
  const { log, printed } = open();
  for (const diagnosis of [undefined, null, "text", [{ service: 1 }]])
    log.failures({ ...DEPLOYMENT, diagnosis });
  expect(printed()).toBe("");
});
