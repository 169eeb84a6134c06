import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { deployIn, resumeIn } from "../../test/fakes/deploying.ts";
import { running } from "../../test/fakes/deployment.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";
import type { Settings } from "./settings.ts";

const JOB = { exits: { after: 1_000, code: 0 } };

/** A job of which `web:v2` is deployed; `web:v1` goes on running. */
function world(fields: Partial<Settings> = {}): World {
  const here = fakeWorld([service("web", { settings: settings(fields) })]);
  here.add("web");
  here.lives.set("web:v2", JOB);
  return here;
}

const startsOf = (calls: string[]): number => calls.filter((call) => call === "start web-2").length;

test("a job that ended with 0 before the daemon was killed does not run a second time", async () => {
  const here = world();
  here.store.insert(running("web", { image: "web:v2" }));
  await here.killedAt("commit web", (ports) => deploy(running("web", { image: "web:v2" }), ports, never()));
  expect(await resumeIn(here)).toMatchObject({ status: "succeeded" });
  expect(startsOf(here.calls)).toBe(0);
  expect(here.ps()).toEqual(["web-2 exited web:v2"]);
});

test("one that rolls runs once, where no peer finds it", async () => {
  const here = world({ strategy: "rolling" });
  expect(await deployIn(here, "web", { image: "web:v2" })).toMatchObject({ status: "succeeded" });
  expect(startsOf(here.calls)).toBe(1);
});
