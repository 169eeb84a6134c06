import { expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import { toldIn } from "../../test/fakes/deploying.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { SecondLook } from "./second-look.ts";
import { Worker } from "./worker.ts";

const ANEW = 'the new containers of "web" were taken away by somebody else meanwhile, and made anew';

/** `web:v2` has just been deployed, and will be looked at again. */
async function shop(
  signal: AbortSignal = never(),
): Promise<{ world: World; look: SecondLook; deploy: (image: string) => Promise<string> }> {
  const routes = [{ host: "shop.example.com", path: "/" }];
  const web = settings({ strategy: "rolling", port: 3000, routes });
  const world = fakeWorld([service("web", { settings: web })], EDGE);
  world.add("web");
  await bringUp(new Set(), world, never());
  const look = new SecondLook(world, signal);
  let last = 0;
  const worker = new Worker(
    world,
    world.queue,
    Promise.resolve(),
    () => `d${(last += 1)}`,
    (id) => look.after(id),
  );
  const deploy = async (image: string): Promise<string> => {
    const parts = [{ service: "web", image }];
    const { id } = await worker.submit({ kind: "deploy", parts, to: undefined, force: false }, "me");
    await worker.ended(id, never());
    return id;
  };
  await deploy("web:v2");
  expect(world.ps()).toEqual(["web-2 running web:v2"]);
  return { world, look, deploy };
}

/** So many milliseconds from now. */
function after(milliseconds: number, world: World, action: () => void): void {
  world.clock.at(world.clock.now() - START + milliseconds, action);
}

test("a service whose new container a person's Compose takes away a moment after the end gets it back, and that is told", async () => {
  const { world, look } = await shop();
  after(100, world, () => world.takeAway("web-2"));
  await look.ended();
  expect(world.ps()).toEqual(["web-3 running web:v2"]);
  expect(world.edge.direction("web").serving.map(({ container }) => container)).toEqual(["web-3"]);
  expect(toldIn(world)).toContain(`log: ${ANEW}`);
  expect(world.store.find("d1")).toMatchObject({ status: "succeeded", reason: ANEW });
});

test("one that takes long to stop is waited for", async () => {
  const { world, look } = await shop();
  after(100, world, () => world.takeAway("web-2", 30_000));
  await look.ended();
  expect(world.ps()).toEqual(["web-3 running web:v2"]);
});

test("where all is well nothing is done, and nobody waits for it", async () => {
  const { world, look, deploy } = await shop();
  world.calls.length = 0;
  await look.ended();
  expect(world.calls).toEqual([]);
  await deploy("web:v3");
  await look.ended();
  expect(world.ps()).toEqual(["web-3 running web:v3"]);
});

test.each([
  ["stopped it", (world: World) => world.stopByHand("web-2", 1_000), ["web-2 exited web:v2"]],
  ["taken everything down", (world: World) => world.takeDown(), []],
  [
    "put another in its place",
    (world: World) => {
      world.takeAway("web-2");
      world.add("web");
    },
    ["web-3 running web:v1"],
  ],
])("a person who has %s is left alone", async (_, act, left) => {
  const { world, look } = await shop();
  after(100, world, () => act(world));
  await look.ended();
  expect(world.ps()).toEqual(left);
  expect(world.store.find("d1")).toMatchObject({ reason: "" });
});

test("a person who removes it later is left alone", async () => {
  const { world, look } = await shop();
  after(4_000, world, () => world.takeAway("web-2"));
  await look.ended();
  await world.clock.sleep(60_000);
  expect(world.ps()).toEqual([]);
});

test("a newer deployment of the service decides alone", async () => {
  const { world, look, deploy } = await shop();
  await deploy("web:v3");
  await look.ended();
  expect(world.ps()).toEqual(["web-3 running web:v3"]);
  expect(world.store.find("d1")).toMatchObject({ reason: "" });
});

test.each([undefined, 30_000])("a daemon that stops does not wait for it (grace: %p ms)", async (graceMs) => {
  const stopping = new AbortController();
  const { world, look } = await shop(stopping.signal);
  world.takeAway("web-2", graceMs);
  const stopsAt = graceMs === undefined ? 0 : 5_000;
  after(stopsAt, world, () => stopping.abort());
  await look.ended();
  expect(world.ps()).toEqual(graceMs === undefined ? [] : ["web-2 running web:v2"]);
  expect(world.log.lines.filter(({ message }) => message.startsWith("could not look again"))).toEqual([]);
});
