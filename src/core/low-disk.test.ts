import { expect, test } from "bun:test";

import { running } from "../../test/fakes/deployment.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { LowDisks, tellLowDisk } from "./low-disk.ts";

const GIB = 1024 ** 3;

function scene() {
  const log = fakeLog();
  const disks = new LowDisks();
  let rooms: Record<string, [free: number, size: number] | undefined> = {};
  const disk = { free: (path: string) => rooms[path]?.[0], size: (path: string) => rooms[path]?.[1] };
  /** The folders that were warned of. */
  function look(now: typeof rooms): string[] {
    rooms = now;
    const before = log.lines.length;
    disks.look(Object.keys(now), { disk, log });
    return log.lines
      .slice(before)
      .map(
        ({ level, fields }) => `${level} ${(fields["folders"] as string[]).join()} ${String(fields["free"])}`,
      );
  }
  return { look };
}

test("less than a tenth or less than 2 GiB is little; what cannot be seen is not", () => {
  expect(scene().look({ "/a": [2 * GIB, 20 * GIB] })).toEqual([]);
  expect(scene().look({ "/a": [2 * GIB, 20.1 * GIB] })).toEqual(["warn /a 2.0 GiB of 20 GiB"]);
  expect(scene().look({ "/a": [1.9 * GIB, 8 * GIB] })).toEqual(["warn /a 1.9 GiB of 8.0 GiB"]);
  expect(scene().look({ "/a": [0, GIB] })).toEqual(["warn /a 0 bytes of 1.0 GiB"]);
  expect(scene().look({ "/a": undefined })).toEqual([]);
  expect(scene().look({ "/proc": [0, 0] })).toEqual([]);
});

test("it is said once, and again only when there was room in between", () => {
  const { look } = scene();
  expect(look({ "/a": [GIB, 8 * GIB] })).toHaveLength(1);
  expect(look({ "/a": [GIB / 2, 8 * GIB] })).toEqual([]);
  expect(look({ "/a": [3 * GIB, 8 * GIB] })).toEqual([]);
  expect(look({ "/a": [GIB, 8 * GIB] })).toHaveLength(1);
});

test("two folders on one disk are one warning, on two disks two", () => {
  const { look } = scene();
  expect(look({ "/a": [GIB, 8 * GIB], "/b": [GIB, 8 * GIB], "/c": [GIB, 9 * GIB] })).toEqual([
    "warn /a,/b 1.0 GiB of 8.0 GiB",
    "warn /c 1.0 GiB of 9.0 GiB",
  ]);
});

test("a deployment on a host with little room says so in its events", () => {
  const world = fakeWorld([service("web")]);
  const deployment = running("web", { id: "d1" });
  world.store.insert(deployment);
  tellLowDisk(deployment, "/var/lib/docker", world);
  expect(world.store.events("d1", 0, 10)).toEqual([]);
  world.disk.room = GIB;
  world.disk.total = 8 * GIB;
  tellLowDisk(deployment, "/var/lib/docker", world);
  expect(world.store.events("d1", 0, 10)).toEqual([
    expect.objectContaining({
      level: "warn",
      text: "little room is left in /var/lib/docker: 1.0 GiB of 8.0 GiB",
    }),
  ]);
});
