import { expect, test } from "bun:test";

import { kept } from "../../test/fakes/kept.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { parseImage } from "./image.ts";
import { pullAfterRemovals } from "./image-turns.ts";

const REMOVALS = 500;
const NEVER = new AbortController().signal;
const IMAGE = parseImage("web:v1")!;

function scene() {
  const world = fakeWorld([service("web")]);
  world.images.set("old:1", "sha256:old");
  return { world, ...pullAfterRemovals(world.engine, world.registry) };
}

test("a pull waits for the removals that have begun", async () => {
  const { world, engine, registry } = scene();
  const removal = Promise.withResolvers<void>();
  world.before("remove image old:1", () => removal.promise);
  const removed = engine.removeImage("old:1");
  const pulled = registry.pull(IMAGE, "v1", NEVER);
  await Bun.sleep(1);
  expect(world.calls).toEqual(["remove image old:1"]);
  removal.resolve();
  expect(await removed).toBe("removed");
  await pulled;
  expect(world.calls).toEqual(["remove image old:1", "pull web:v1"]);
});

test("a removal that fails holds nothing up, and its failure is told to whoever asked for it", async () => {
  const { world, engine, registry } = scene();
  world.fail("remove image old:1", "no");
  const removed = engine.removeImage("old:1");
  const pulled = registry.pull(IMAGE, "v1", NEVER);
  await expect(removed).rejects.toThrow("no");
  await pulled;
  expect(world.calls).toContain("pull web:v1");
});

test("pulls and removals do not wait for a pull", async () => {
  const { world, engine, registry } = scene();
  const slow = Promise.withResolvers<void>();
  world.before("pull web:v1", () => slow.promise);
  const pulled = registry.pull(IMAGE, "v1", NEVER);
  await registry.pull(parseImage("web:v2")!, "v2", NEVER);
  expect(await engine.removeImage("old:1")).toBe("removed");
  slow.resolve();
  await pulled;
});

test("removals that have ended leave nothing in memory", async () => {
  const { engine } = scene();
  const remove = async () => {
    for (let n = 0; n < REMOVALS; n += 1) await engine.removeImage(`old:${n}`);
  };
  await remove();
  expect(await kept("Array", remove)).toBeLessThan(REMOVALS / 10);
});
