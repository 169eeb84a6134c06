import { expect, test } from "bun:test";

import { START } from "../../test/fakes/clock.ts";
import { service } from "../../test/fakes/service.ts";
import { ship } from "../../test/fakes/shipping.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import type { Ports } from "./ports.ts";
import { Upkeep } from "./upkeep.ts";

const HOUR_MS = 3_600_000;
const STATE_DIR = "/var/lib/deployer-service";

function scene() {
  const world = fakeWorld([service("web")]);
  const stop = new AbortController();
  const upkeep = new Upkeep();
  const looks: string[] = [];
  const engine: Ports["engine"] = {
    ...world.engine,
    info() {
      looks.push(`${(world.clock.now() - START) / HOUR_MS} h`);
      return world.engine.info();
    },
  };
  return { world: { ...world, engine }, stop, upkeep, looks };
}

test("it is seen to at the start, every hour, and when a deployment has ended", async () => {
  const { world, stop, upkeep, looks } = scene();
  world.clock.at(HOUR_MS / 2, () => upkeep.wake());
  world.clock.at(2 * HOUR_MS, () => stop.abort());
  await upkeep.keep(STATE_DIR, Promise.resolve(), world, stop.signal);
  expect(looks).toEqual(["0 h", "0.5 h", "1.5 h"]);
});

test("a deployment that ends while it is at work is seen to as well", async () => {
  const { world, stop, upkeep, looks } = scene();
  await ship(world, "d1", "web:v1");
  looks.length = 0;
  world.before("tag deployer.local/keep:d1.0", () => upkeep.wake());
  world.clock.at(HOUR_MS / 2, () => stop.abort());
  await upkeep.keep(STATE_DIR, Promise.resolve(), world, stop.signal);
  expect(looks).toEqual(["0 h", "0 h"]);
});

test("before the recovery is over only the disk is looked at; a stop does not wait for it", async () => {
  const { world, stop, upkeep, looks } = scene();
  await ship(world, "d1", "web:v1");
  world.calls.length = 0;
  looks.length = 0;
  world.disk.room = 0;
  world.clock.at(HOUR_MS, () => stop.abort());
  await upkeep.keep(STATE_DIR, new Promise(() => undefined), world, stop.signal);
  expect(world.calls).toEqual([]);
  expect(looks).toEqual([]);
  expect(world.log.lines.map(({ fields }) => fields["folders"])).toEqual([[STATE_DIR]]);
});

test("with Docker away the folder of the daemon is still looked at", async () => {
  const { world, stop, upkeep } = scene();
  world.dockerStops();
  world.clock.at(HOUR_MS / 2, () => (world.disk.room = 0));
  world.clock.at(HOUR_MS * 1.5, () => stop.abort());
  await upkeep.keep(STATE_DIR, Promise.resolve(), world, stop.signal);
  expect(world.log.lines.map(({ fields }) => fields["folders"]).filter(Boolean)).toEqual([[STATE_DIR]]);
});
