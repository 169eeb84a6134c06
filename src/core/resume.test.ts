import { describe, expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { resumeIn } from "../../test/fakes/deploying.ts";
import type { Life } from "../../test/fakes/life.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import type { Outcome } from "./deployment.ts";
import type { Service } from "./compose.ts";
import type { Ports } from "./ports.ts";
import type { Settings } from "./settings.ts";

const BEFORE = [["migrate"], ["seed"]];

type Case = { fields: Partial<Service>; life?: Life };

const withSettings = (fields: Partial<Settings>): Partial<Service> => ({
  settings: settings({ watchMs: 5_000, before: BEFORE, ...fields }),
});

const GOOD: [string, Case][] = [
  ["recreate", { fields: withSettings({}) }],
  ["rolling", { fields: withSettings({ strategy: "rolling" }) }],
  ["a fixed name", { fields: { ...withSettings({}), containerName: "the-web" } }],
  ["two replicas, rolling", { fields: { ...withSettings({ strategy: "rolling" }), replicas: 2 } }],
];

const CRASHES: Life = { exits: { after: 6_000, code: 1 } };
const BAD = GOOD.map(([name, { fields }]): [string, Case] => [name, { fields, life: CRASHES }]);

/** `web:v1` runs; `web:v2` is deployed. */
function world({ fields, life }: Case): World {
  const here = fakeWorld([service("web", fields)]);
  for (let n = 0; n < (fields.replicas ?? 1); n += 1) here.add("web");
  here.lives.set("web:v2", { ...life });
  here.store.insert(running("web", { image: "web:v2" }));
  return here;
}

function deployIn(ports: Ports): Promise<Outcome> {
  return deploy(running("web", { image: "web:v2" }), ports, never());
}

/** Every call that changes something, as a run that nobody disturbs makes them. */
async function callsOf(one: Case): Promise<string[]> {
  const here = world(one);
  await deployIn(here);
  return [...new Set(here.calls)];
}

/** What there is of the service, without the containers of before commands. */
const versions = (here: World): string[] =>
  here
    .ps()
    .filter((line) => !line.startsWith("web-run"))
    .map((line) => line.replace(/^\S+ /, ""));
const started = (calls: string[]): string[] => calls.filter((call) => call.startsWith("run "));

describe.each([...GOOD, ...BAD])("a deployment with %s", (_, one) => {
  const isGood = one.life === undefined;
  const end = isGood ? "running web:v2" : "running web:v1";

  test(`${isGood ? "that goes well" : "that crashes in the watch"}, killed before each of its calls, ends all the same`, async () => {
    for (const call of await callsOf(one)) {
      const here = world(one);
      await here.killedAt(call, deployIn);
      const { status, reason } = await resumeIn(here);
      expect([call, status, versions(here), reason]).toEqual([
        call,
        isGood ? "succeeded" : "rolled_back",
        Array.from({ length: one.fields.replicas ?? 1 }, () => end),
        isGood ? "" : expect.stringContaining("exited with code 1"),
      ]);
    }
  });

  test("and killed again in the middle of going on, likewise", async () => {
    const calls = await callsOf(one);
    for (const call of calls.filter((_, index) => index % 3 === 2)) {
      const here = world(one);
      await here.killedAt(call, deployIn);
      const once = world(one);
      await once.killedAt(call, deployIn);
      await resumeIn(once);
      const next = once.calls[Math.floor(once.calls.length / 2)];
      if (next === undefined) continue;
      await here.killedAt(next, (ports) => resumeIn({ ...here, ...ports } as World));
      const { status } = await resumeIn(here);
      expect([call, next, status, versions(here)]).toEqual([
        call,
        next,
        isGood ? "succeeded" : "rolled_back",
        Array.from({ length: one.fields.replicas ?? 1 }, () => end),
      ]);
    }
  });
});

test("no before command is started twice, wherever the daemon is killed", async () => {
  const one: Case = { fields: withSettings({}) };
  for (const call of await callsOf(one)) {
    const here = world(one);
    const all: string[] = [];
    await here.killedAt(call, deployIn);
    all.push(...started(here.calls));
    await resumeIn(here);
    all.push(...started(here.calls));
    expect([call, all.length, new Set(all).size]).toEqual([call, all.length, all.length]);
    expect(all.length).toBeLessThanOrEqual(2);
  }
});

test("one that is killed again and again before its switch is given up after three attempts", async () => {
  const here = world({ fields: {} });
  await here.killedAt("create web 2", deployIn);
  await here.killedAt("create web 2", (ports) => resumeIn({ ...here, ...ports } as World));
  await here.killedAt("create web 2", (ports) => resumeIn({ ...here, ...ports } as World));
  const outcome = await resumeIn(here);
  expect(outcome).toMatchObject({ status: "failed", code: "interrupted", changed: false });
  expect(outcome.reason).toContain("it was begun 3 times, and the daemon stopped each time");
  expect(here.ps()).toEqual(["web-1 running web:v1"]);
});

test("killed when its way back has just started the old one again: it was rolled back, who hangs on it is made anew", async () => {
  const here = fakeWorld([service("web"), service("proxy", { sharesWith: ["web"] })]);
  for (const name of ["web", "proxy"]) here.add(name);
  here.lives.set("web:v2", { exits: { after: 500, code: 3 } });
  here.store.insert(running("web", { image: "web:v2" }));
  await here.killedAt("start web-1", deployIn);
  await here.engine.start("web-1");
  expect(await resumeIn(here)).toMatchObject({ status: "rolled_back", code: "rollout" });
  expect(here.ps().toSorted()).toEqual(["proxy-2 running proxy:v1", "web-1 running web:v1"]);
});

test("carried to its end without the compose file, which somebody has broken meanwhile", async () => {
  const here = world({ fields: {} });
  await here.killedAt("start web-2", deployIn);
  here.compose.project = () => Promise.reject(new Error("broken"));
  expect(await resumeIn(here)).toMatchObject({ status: "succeeded" });
  expect(here.ps()).toEqual(["web-2 running web:v2"]);
});

test("the first of its service, which cannot be started: nothing of it stays", async () => {
  const here = fakeWorld([service("web")]);
  here.lives.set("web:v1", { cannotStart: "no such device" });
  here.store.insert(running("web"));
  await here.killedAt("start web-1", (ports) => deploy(running("web"), ports, never()));
  expect(await resumeIn(here)).toMatchObject({ status: "failed", code: "docker" });
  expect(here.ps()).toEqual([]);
});

test("of a service that has left the file meanwhile: carried to its end all the same", async () => {
  for (const [life, status, serves] of [
    [{}, "succeeded", "running web:v2"],
    [CRASHES, "rolled_back", "running web:v1"],
  ] as const) {
    const here = world({ fields: withSettings({ before: [] }), life });
    await here.killedAt("start web-2", deployIn);
    here.file.delete("web");
    expect((await resumeIn(here)).status).toBe(status);
    expect(versions(here)).toEqual([serves]);
  }
});

test("before the switch, of a service that has left the file meanwhile: failed, the old one runs on", async () => {
  const here = world({ fields: {} });
  await here.killedAt("create web 2", deployIn);
  here.file.delete("web");
  expect(await resumeIn(here)).toMatchObject({ status: "failed", code: "not_found", changed: false });
  expect(here.ps()).toEqual(["web-1 running web:v1"]);
});

test("whose old container cannot be started: rollback_failed", async () => {
  const here = world({ fields: {}, life: { exits: { after: 500, code: 1 } } });
  await here.killedAt("start web-1", deployIn);
  here.fail("start web-1", "port is already allocated");
  expect(await resumeIn(here)).toMatchObject({
    status: "rollback_failed",
    changed: true,
    code: "rollout",
    reason:
      'container web-2 of service "web" exited with code 1\nthe rollback failed too, a person is needed: port is already allocated\nwhat serves now: nothing, container web-1 of "web" exited with code 143',
  });
});

test("Docker going away in the middle of going on decides nothing: what it was doing is done when it is back", async () => {
  const here = world({ fields: {}, life: { exits: { after: 500, code: 1 } } });
  await here.killedAt("start web-1", deployIn);
  here.before("start web-1", () => {
    here.before("start web-1", () => undefined);
    here.dockerStops();
    here.clock.at(here.clock.now() - START + 60_000, () => here.dockerStarts());
  });
  expect(await resumeIn(here)).toMatchObject({ status: "rolled_back", code: "rollout" });
  expect(here.ps()).toEqual(["web-1 running web:v1"]);
});

test("a person's docker compose up in the middle, which removed the candidate, has it go back", async () => {
  const here = world({ fields: {} });
  await here.killedAt("start web-2", deployIn);
  await here.engine.remove("web-2", { volumes: false });
  expect(await resumeIn(here)).toMatchObject({ status: "rolled_back", changed: false });
  expect(here.ps()).toEqual(["web-1 running web:v1"]);
});
