import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeEngine, fakeRegistry } from "../../test/fakes/engine.ts";
import { FakeHost } from "../../test/fakes/host.ts";
import { digestOf, imageIdOf } from "../../test/fakes/images.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import { service } from "../../test/fakes/service.ts";
import type { EdgeImage } from "./image.ts";
import { createEdgeImages, type EdgeImages } from "./images.ts";

let folder: string;
let host: FakeHost;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "edge-images-"));
  host = new FakeHost([]);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As after a restart of the program. */
function images(): EdgeImages {
  return createEdgeImages({ engine: fakeEngine(host), registry: fakeRegistry(host), folder, log: fakeLog() });
}

function haproxy(tag: string): EdgeImage {
  return { asked: `haproxy:${tag}`, pinned: `haproxy:${tag}@${digestOf(tag)}` };
}

function isHere(tag: string): boolean {
  return host.images.local.has(`haproxy@${digestOf(tag)}`);
}

test("what was brought goes when it is not needed any more, by the next daemon as well", async () => {
  await images().bring(haproxy("3.0"));
  await images().bring(haproxy("3.2"));
  await images().removeAllBut([haproxy("3.2")]);
  expect([isHere("3.0"), isHere("3.2")]).toEqual([false, true]);
  host.calls.length = 0;
  await images().removeAllBut([haproxy("3.2")]);
  expect(host.calls).toEqual([]);
  await images().removeAllBut([]);
  expect(isHere("3.2")).toBe(false);
});

test("a daemon killed in the middle of a pull knows that it may have brought it", async () => {
  host.hooks.set("pull haproxy:3.0", () => {
    throw new Error("killed here");
  });
  await expect(images().bring(haproxy("3.0"))).rejects.toThrow();
  host.images.local.set(`haproxy@${digestOf("3.0")}`, imageIdOf(digestOf("3.0")));
  await images().removeAllBut([]);
  expect(isHere("3.0")).toBe(false);
});

test("what was on the host before stays", async () => {
  host.images.local.set(`haproxy@${digestOf("3.0")}`, imageIdOf(digestOf("3.0")));
  await images().bring(haproxy("3.0"));
  await images().removeAllBut([]);
  expect(isHere("3.0")).toBe(true);
});

test("what somebody has given a tag stays", async () => {
  await images().bring(haproxy("3.0"));
  host.images.local.set("haproxy:mine", imageIdOf(digestOf("3.0")));
  await images().removeAllBut([]);
  expect(isHere("3.0")).toBe(true);
});

test("what a container uses stays until that is gone", async () => {
  await images().bring(haproxy("3.0"));
  const { id } = host.create(service("edge", { image: haproxy("3.0").pinned }), { labels: {} });
  await images().removeAllBut([]);
  expect(isHere("3.0")).toBe(true);
  host.containers.delete(id);
  await images().removeAllBut([]);
  expect(isHere("3.0")).toBe(false);
});

test("a Docker that says no, and a note that cannot be read, stop nothing", async () => {
  await images().bring(haproxy("3.0"));
  host.hooks.set(`remove image haproxy@${digestOf("3.0")}`, () => {
    throw new Error("no");
  });
  await images().removeAllBut([]);
  host.hooks.clear();
  writeFileSync(join(folder, "images.json"), "{");
  await images().removeAllBut([]);
  expect(isHere("3.0")).toBe(true);
});
