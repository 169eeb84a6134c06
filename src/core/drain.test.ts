import { expect, test } from "bun:test";

import { deployIn, toldIn } from "../../test/fakes/deploying.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { DeployerError } from "./errors.ts";
import type { Settings } from "./settings.ts";

const COMMAND = ["drain", "me"];

function world(fields: Partial<Settings> = {}): World {
  const here = fakeWorld([service("web", { settings: settings({ drainCommand: COMMAND, ...fields }) })]);
  here.add("web");
  return here;
}

/** In which order the old container was drained and stopped. */
async function deployed(here: World): Promise<{ status: string; order: string[]; told: string[] }> {
  const order: string[] = [];
  for (const call of ["exec web-1", "start web-2", "stop web-1"])
    here.before(call, () => void order.push(call));
  const { status } = await deployIn(here, "web", { image: "web:v2" });
  return { status, order, told: toldIn(here).filter((line) => /^(?:draining|output)/.test(line)) };
}

test("an old container is drained before it is stopped, whichever strategy replaces it", async () => {
  expect(await deployed(world())).toEqual({
    status: "succeeded",
    order: ["exec web-1", "stop web-1", "start web-2"],
    told: ["draining: web: drain me in web-1"],
  });
  expect(await deployed(world({ strategy: "rolling" }))).toEqual({
    status: "succeeded",
    // Once unseen, and again when peers find it.
    order: ["start web-2", "start web-2", "exec web-1", "stop web-1"],
    told: ["draining: web: drain me in web-1"],
  });
});

test("a container that Compose replaces in place is drained before Compose stops it", async () => {
  const named = service("web", { containerName: "the-web", settings: settings({ drainCommand: COMMAND }) });
  const here = fakeWorld([named]);
  here.add("web");
  const order: string[] = [];
  for (const call of ["exec web-1", "recreate web alone", "recreate web"])
    here.before(call, () => void order.push(call.split(" ", 1)[0] ?? ""));
  expect((await deployIn(here, "web", { image: "web:v2" })).status).toBe("succeeded");
  expect(order).toEqual(["exec", "recreate"]);
});

test("a command that fails is told, and stops nothing", async () => {
  const here = world();
  here.lives.set("web:v1", { healthcheck: {}, execFailsAfter: 0 });
  expect(await deployed(here)).toMatchObject({
    status: "succeeded",
    told: [
      "draining: web: drain me in web-1",
      "draining: web: drain me in web-1 exited with 1; it is stopped all the same",
      "output: not well",
    ],
  });
  const other = world();
  other.before("exec web-1", () => {
    throw new DeployerError("docker", "no such program");
  });
  const outcome = await deployIn(other, "web", { image: "web:v2" });
  expect(outcome.status).toBe("succeeded");
  expect(toldIn(other)).toContain(
    "draining: web: drain me in web-1 failed: no such program; it is stopped all the same",
  );
});

test("the first version of a service has nothing to drain", async () => {
  const here = fakeWorld([service("web", { settings: settings({ drainCommand: COMMAND }) })]);
  expect(await deployIn(here, "web")).toMatchObject({ status: "succeeded" });
  expect(toldIn(here).filter((line) => line.startsWith("draining"))).toEqual([]);
});
