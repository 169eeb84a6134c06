import { expect, test } from "bun:test";

import { digestOf, imageIdOf } from "../../test/fakes/images.ts";
import { service } from "../../test/fakes/service.ts";
import { bring, commit, finish, ship } from "../../test/fakes/shipping.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { keepHouse } from "./housekeeping.ts";
import { keepImages } from "./keep-images.ts";
import type { Ports } from "./ports.ts";

const NEVER = new AbortController().signal;
const TEXTS = ["web:v1", "web:v2", "web:v3", "web:v4", "web:v5", "web:v6", "web:v7"];

function scene() {
  const world = fakeWorld([service("web"), service("worker")]);
  /** `web:v1` for an image that is there under its registry's digest, and all tags. */
  const names = () =>
    [...world.images.keys()]
      .map((name) => TEXTS.find((text) => name === `web@${digestOf(text)}`) ?? name)
      .toSorted();
  return { world, names };
}

async function shipAll(world: World, texts: readonly string[]): Promise<void> {
  for (const [index, text] of texts.entries()) await ship(world, `d${index + 1}`, text);
}

test("images beyond the five that can be gone back to are removed with their tags and versions", async () => {
  const { world, names } = scene();
  await shipAll(world, TEXTS.slice(0, 5));
  await keepHouse(world, NEVER);
  expect(names()).toHaveLength(10);
  await ship(world, "d6", "web:v6");
  await ship(world, "d7", "web:v7");
  await keepHouse(world, NEVER);
  expect(names()).toEqual([
    ...["d3", "d4", "d5", "d6", "d7"].map((id) => `deployer.local/keep:${id}.0`),
    ...TEXTS.slice(2),
  ]);
  expect(world.store.versions("web").map(({ deployment }) => deployment)).toEqual([
    "d7",
    "d6",
    "d5",
    "d4",
    "d3",
  ]);
  expect(world.store.broughtImages()).toHaveLength(5);
});

test("with nothing to do, nothing is done", async () => {
  const { world } = scene();
  await shipAll(world, TEXTS);
  await keepHouse(world, NEVER);
  world.calls.length = 0;
  await keepHouse(world, NEVER);
  expect(world.calls).toEqual([]);
  expect(world.log.lines.filter(({ level }) => level === "warn")).toEqual([]);
});

test("what a container was created from is forgotten when it is gone, and with it a configuration that holds secrets", async () => {
  const { world } = scene();
  const there = world.add("web");
  const origin = (container: string) => ({ container, service: "web", configHash: "", recorded: container });
  world.store.saveOrigins([origin(there.id), origin("gone")]);
  await keepHouse(world, NEVER);
  expect(world.store.origins().map(({ container }) => container)).toEqual([there.id]);
  expect([...world.store.neededRecords()]).not.toContain("gone");
});

test("the image of a deployment that failed goes when it has ended, not before", async () => {
  const { world, names } = scene();
  await ship(world, "d1", "web:v1");
  await bring(world, "d2", "web:v2");
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v2");
  finish(world, "d2", "failed");
  await keepHouse(world, NEVER);
  expect(names()).toEqual(["deployer.local/keep:d1.0", "web:v1"]);
});

test("an image that was here before we wanted it stays for ever", async () => {
  const { world, names } = scene();
  world.images.set(`web@${digestOf("web:v1")}`, imageIdOf(digestOf("web:v1")));
  await shipAll(world, TEXTS);
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
  expect(names()).not.toContain("web:v2");
  expect(names()).not.toContain("deployer.local/keep:d1.0");
});

test("an image with a tag that a person made stays as long as it has it", async () => {
  const { world, names } = scene();
  await shipAll(world, TEXTS);
  world.images.set("mine:debug", imageIdOf(digestOf("web:v1")));
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
  world.images.delete("mine:debug");
  await keepHouse(world, NEVER);
  expect(names()).not.toContain("web:v1");
});

test("an image that another daemon keeps stays, and so do all its tags", async () => {
  const { world, names } = scene();
  await shipAll(world, TEXTS);
  world.images.set("deployer.local/keep:others.0", imageIdOf(digestOf("web:v1")));
  world.images.set("deployer.local/keep:others.1", "an image of theirs");
  await keepHouse(world, NEVER);
  expect(names()).toEqual(expect.arrayContaining(["web:v1"]));
  expect(names().filter((name) => name.includes("others"))).toHaveLength(2);
});

test("an image that a container uses, a stopped one too, keeps its name until the container is gone", async () => {
  const { world, names } = scene();
  await ship(world, "d1", "web:v1");
  const container = world.add("worker", { imageText: `web:v1@${digestOf("web:v1")}`, state: "exited" });
  await shipAll(world, TEXTS);
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
  await world.engine.remove(container.id, { volumes: false });
  await keepHouse(world, NEVER);
  expect(names()).not.toContain("web:v1");
  expect(world.store.broughtImages().map(({ digest }) => digest)).not.toContain(digestOf("web:v1"));
});

test("what one service gave up stays for another that can go back to it, or is pinned to it", async () => {
  const { world, names } = scene();
  await ship(world, "w1", "web:v1", ["worker"]);
  await shipAll(world, TEXTS);
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
  world.store.dropVersion({ service: "worker", deployment: "w1" });
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
  world.store.dropPin("worker");
  await keepHouse(world, NEVER);
  expect(names()).not.toContain("web:v1");
});

test.each(["versions", "pins", "unfinished", "broughtImages"] as const)(
  "when %s cannot be read, nothing is removed",
  async (part) => {
    const { world, names } = scene();
    await shipAll(world, TEXTS);
    await keepImages(world);
    const before = names();
    const broken: Ports["store"] = {
      ...world.store,
      [part]: () => {
        throw new Error("database disk image is malformed");
      },
    };
    const isNeededByTags = part !== "broughtImages";
    await keepHouse({ ...world, store: broken }, NEVER);
    if (isNeededByTags) expect(names()).toEqual(before);
    expect(names()).toEqual(expect.arrayContaining(TEXTS));
    expect(world.log.lines.some(({ level }) => level === "warn")).toBe(true);
  },
);

test("a store that begins to fail in the middle stops the removals there", async () => {
  const { world, names } = scene();
  await shipAll(world, TEXTS);
  let looks = 0;
  const failing: Ports["store"] = {
    ...world.store,
    pins() {
      looks += 1;
      if (looks > 3) throw new Error("disk I/O error");
      return world.store.pins();
    },
  };
  await keepHouse({ ...world, store: failing }, NEVER);
  expect(TEXTS.filter((text) => !names().includes(text)).length).toBeLessThan(2);
});

test("an image that was claimed anew while another deployment gave it up stays", async () => {
  const { world, names } = scene();
  await shipAll(world, TEXTS);
  // The look at what is needed is a fresh one for each: this deployment begins while the tags are being removed.
  world.before("remove image deployer.local/keep:d1.0", () => bring(world, "d8", "web:v1", ["worker"]));
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
  expect(names()).not.toContain("web:v2");
  commit(world, "d8", "web:v1", ["worker"]);
  finish(world, "d8");
  await keepHouse(world, NEVER);
  expect(names()).toContain("web:v1");
});

const STEPS = [
  "tag deployer.local/keep:d7.0",
  "remove image deployer.local/keep:d1.0",
  "remove image deployer.local/keep:d2.0",
  `remove image web@${digestOf("web:v1")}`,
  `remove image web@${digestOf("web:v2")}`,
];

test.each(STEPS)("killed at '%s', the next start makes good for it", async (step) => {
  const { world, names } = scene();
  for (const [index, text] of TEXTS.slice(0, 6).entries()) await ship(world, `d${index + 1}`, text);
  await keepImages(world);
  world.images.set("deployer.local/keep:d1.0", imageIdOf(digestOf("web:v1")));
  await ship(world, "d7", "web:v7");
  await world.killedAt(step, (ports) => keepHouse(ports, NEVER));
  await keepHouse(world, NEVER);
  expect(names()).toEqual([
    ...["d3", "d4", "d5", "d6", "d7"].map((id) => `deployer.local/keep:${id}.0`),
    ...TEXTS.slice(2),
  ]);
  expect(world.store.broughtImages()).toHaveLength(5);
});

test("killed before its pull was over, a deployment leaves a note that is forgotten when it has ended", async () => {
  const { world } = scene();
  await world.killedAt("pull web:v1", () => bring(world, "d1", "web:v1"));
  expect(world.store.broughtImages()).toHaveLength(1);
  await keepHouse(world, NEVER);
  expect(world.store.broughtImages()).toHaveLength(1);
  finish(world, "d1", "failed");
  await keepHouse(world, NEVER);
  expect(world.store.broughtImages()).toEqual([]);
});

test("the tag of a deployment that committed nothing goes, one of a running deployment stays", async () => {
  const { world, names } = scene();
  world.images.set("built:here", "sha256:built");
  for (const id of ["d1", "d2"]) {
    await bring(world, id, "web:v1");
    world.images.set(`deployer.local/keep:${id}.0`, "sha256:built");
  }
  finish(world, "d1", "failed");
  await keepHouse(world, NEVER);
  expect(names()).toEqual(["built:here", "deployer.local/keep:d2.0", "web:v1"]);
});

test("a local name that containers are created with stays as long as a version has it", async () => {
  const { world, names } = scene();
  await ship(world, "d1", "web:v1");
  const [version] = world.store.versions("web");
  const [pin] = world.store.pins();
  const imageText = "deployer.local/keep:d1.0";
  world.images.set(imageText, "sha256:built");
  const local = { ...version!, imageText, imageId: "sha256:built", digest: "" };
  world.store.commit([{ pin: { ...pin!, imageText }, version: local, origins: [] }]);
  await ship(world, "d2", "web:v2");
  // A rollback carries the text of what it goes back to.
  await bring(world, "d3", "web:v3");
  const again = { ...local, deployment: "d3", committedAt: 3 };
  world.store.commit([{ pin: { ...pin!, imageText, deployment: "d3" }, version: again, origins: [] }]);
  finish(world, "d3");
  world.store.dropVersion({ service: "web", deployment: "d1" });
  await keepHouse(world, NEVER);
  expect(names()).toContain(imageText);
  for (const text of TEXTS.slice(2)) await ship(world, `later-${text.slice(4)}`, text);
  await keepHouse(world, NEVER);
  expect(names()).not.toContain(imageText);
  expect(names()).not.toContain("deployer.local/keep:d3.0");
});

test("a stop ends it before the next removal, without a warning", async () => {
  const { world, names } = scene();
  await shipAll(world, TEXTS);
  const stop = new AbortController();
  world.before("remove image deployer.local/keep:d2.0", () => stop.abort());
  await keepHouse(world, stop.signal);
  expect(names()).toEqual(expect.arrayContaining(TEXTS));
  expect(world.log.lines.filter(({ level }) => level === "warn")).toEqual([]);
});

test("Docker being away is told and does no harm", async () => {
  const { world } = scene();
  await shipAll(world, TEXTS);
  world.dockerStops();
  await keepHouse(world, NEVER);
  expect(world.log.lines.some(({ level }) => level === "warn")).toBe(true);
  world.dockerStarts();
  await keepHouse(world, NEVER);
  expect(world.store.versions("web")).toHaveLength(5);
});
