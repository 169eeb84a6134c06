import { expect, test } from "bun:test";

import { digestOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { fetchImage } from "./fetch-image.ts";
import { parseImage } from "./image.ts";
import type { PullOptions } from "./engine.ts";
import type { Ports } from "./ports.ts";

const NEVER = new AbortController().signal;
const IMAGE = parseImage("r.example/web:v1")!;
const DIGEST = digestOf("r.example/web:v1");
const MIB = 1024 * 1024;

function scene() {
  const world = fakeWorld([service("web")]);
  const fetch = (deployment: string, ports: Ports = world, platform?: string) =>
    fetchImage(deployment, IMAGE, DIGEST, platform, ports, NEVER);
  return { world, fetch };
}

test("what was not here is noted before it is pulled", async () => {
  const { world, fetch } = scene();
  world.before("pull r.example/web:v1", () => {
    expect(world.store.broughtImages()).toEqual([
      { repository: "r.example/web", digest: DIGEST, deployment: "d1" },
    ]);
  });
  await fetch("d1");
  expect(world.calls).toEqual(["pull r.example/web:v1"]);
});

test("what was here is not ours; what we brought earlier now belongs to the deployment that wants it", async () => {
  const { world, fetch } = scene();
  world.images.set(`r.example/web@${DIGEST}`, "sha256:1");
  await fetch("d1");
  expect(world.store.broughtImages()).toEqual([]);
  world.images.clear();
  await fetch("d2");
  await fetch("d3");
  expect(world.store.broughtImages().map(({ deployment }) => deployment)).toEqual(["d3"]);
});

test("how far the pull has come is shown as long as it lasts, also when it fails", async () => {
  const { world, fetch } = scene();
  const sizes = { downloadedBytes: 5, unpackedBytes: 0, totalBytes: 9, layers: 1, layersDone: 0 };
  const shown: unknown[] = [];
  const journal: Ports["journal"] = {
    event: () => undefined,
    pulling: (...pull) => shown.push(pull),
  };
  const registry: Ports["registry"] = {
    ...world.registry,
    async pull(_image, _digest, _signal, options) {
      options?.onProgress?.(sizes);
      throw new Error("cut");
    },
  };
  await expect(fetch("d1", { ...world, registry, journal })).rejects.toThrow("cut");
  expect(shown).toEqual([
    ["d1", "r.example/web:v1", sizes],
    ["d1", "r.example/web:v1", undefined],
  ]);
});

test("on a full disk nothing is pulled; what is here needs no room", async () => {
  const { world, fetch } = scene();
  world.disk.room = 0;
  await expect(fetch("d1")).rejects.toMatchObject({ code: "disk_full" });
  expect(world.calls).toEqual([]);
  expect(world.store.broughtImages()).toEqual([]);
  world.images.set(`r.example/web@${DIGEST}`, "sha256:1");
  await fetch("d1");
});

test("the pull is given the platform, and stopped when it turns out too large", async () => {
  const { world, fetch } = scene();
  let asked: PullOptions | undefined;
  const registry: Ports["registry"] = {
    ...world.registry,
    async pull(_image, _digest, _signal, options) {
      asked = options;
      world.disk.room = 100 * MIB;
      const sizes = { downloadedBytes: 0, unpackedBytes: 0, layers: 1, layersDone: 0 };
      options?.onProgress?.({ ...sizes, totalBytes: 10 * MIB });
      options?.onProgress?.({ ...sizes, totalBytes: 100 * MIB });
    },
  };
  await expect(fetch("d1", { ...world, registry }, "linux/arm64")).rejects.toMatchObject({
    code: "disk_full",
    message: expect.stringContaining("it needs about 250 MiB more, 100 MiB are free in /var/lib/docker"),
  });
  expect(asked?.platform).toBe("linux/arm64");
});
