import { expect, test } from "bun:test";

import { fakeDisk } from "../../test/fakes/engine.ts";
import { service } from "../../test/fakes/service.ts";
import type { Image } from "./engine.ts";
import { assertPlatform, assertRoom, watchRoom } from "./preflight.ts";

const MIB = 1024 * 1024;
const HOST = { os: "linux", architecture: "x86_64" };

function image(architecture: string, os = "linux"): Image {
  return {
    id: "sha256:1",
    os,
    architecture,
    hasVolumes: false,
    tags: [],
    digests: ["r.example/web@sha256:2"],
  };
}

function platform(architecture: string, host = HOST, asked?: string): string {
  try {
    assertPlatform(image(architecture), service("web", { platform: asked }), host);
    return "passes";
  } catch (error) {
    expect(error).toMatchObject({ code: "wrong_platform" });
    return (error as Error).message;
  }
}

test("an image for another machine is refused, with what to do", () => {
  expect(platform("arm64")).toBe(
    "image r.example/web@sha256:2 is for linux/arm64, this host is linux/amd64; build it with --platform linux/amd64",
  );
  expect(platform("amd64", { os: "linux", architecture: "aarch64" })).toBe(
    "image r.example/web@sha256:2 is for linux/amd64, this host is linux/arm64; build it with --platform linux/arm64",
  );
  expect(() => assertPlatform(image("amd64", "windows"), service("web"), HOST)).toThrow(
    "is for windows/amd64, this host is linux/amd64",
  );
});

test.each([
  ["amd64", { os: "linux", architecture: "x86_64" }],
  ["amd64", { os: "linux", architecture: "amd64" }],
  ["arm64", { os: "linux", architecture: "aarch64" }],
  // Docker chooses these too where an image has nothing better.
  ["386", { os: "linux", architecture: "x86_64" }],
  ["arm", { os: "linux", architecture: "aarch64" }],
  // Imported, it does not say.
  ["", HOST],
])("an image for %j passes on %j", (architecture, host) => {
  expect(platform(architecture, host)).toBe("passes");
});

test("the platform of the compose file counts instead of the host's, its variant does not", () => {
  expect(platform("arm64", HOST, "linux/arm64/v8")).toBe("passes");
  expect(platform("arm64", HOST, "linux/aarch64")).toBe("passes");
  expect(platform("amd64", HOST, "linux/arm64")).toBe(
    'image r.example/web@sha256:2 is for linux/amd64, the compose file asks for linux/arm64 for service "web"; build it with --platform linux/arm64',
  );
});

test("an image without a registry's digest is named by its tag, or its id", () => {
  const nameless = { ...image("arm64"), digests: [] };
  expect(() => assertPlatform({ ...nameless, tags: ["web:v1"] }, service("web"), HOST)).toThrow(
    "image web:v1 is",
  );
  expect(() => assertPlatform(nameless, service("web"), HOST)).toThrow("image sha256:1 is");
});

test("no pull begins on a disk that is all but full; where it cannot be seen, Docker decides", () => {
  const disk = fakeDisk();
  const room = (free: number | undefined) => () => {
    disk.room = free;
    assertRoom("web:v1", "/var/lib/docker", disk);
  };
  expect(room(64 * MIB)).not.toThrow();
  expect(room(undefined)).not.toThrow();
  expect(room(0)).toThrow(expect.objectContaining({ code: "disk_full" }));
  expect(room(64 * MIB - 1)).toThrow(
    "web:v1 was not pulled: only 64 MiB are free in /var/lib/docker; free some space (docker system df",
  );
});

test("a pull is stopped as soon as what is still to come cannot fit, unpacked", () => {
  const disk = fakeDisk();
  const at = (downloaded: number, unpacked: number, total: number, free: number | undefined) => () => {
    disk.room = free === undefined ? undefined : free * MIB;
    watchRoom(
      "web:v1",
      "/var/lib/docker",
      disk,
    )({
      downloadedBytes: downloaded * MIB,
      unpackedBytes: unpacked * MIB,
      totalBytes: total * MIB,
      layers: 3,
      layersDone: 0,
    });
  };
  expect(at(0, 0, 100, 250 + 64)).not.toThrow();
  expect(at(0, 0, 100, 250 + 63)).toThrow(
    expect.objectContaining({
      code: "disk_full",
      message: expect.stringContaining(
        "the pull of web:v1 was stopped: it needs about 250 MiB more, 313 MiB are free in /var/lib/docker; free some",
      ),
    }),
  );
  // What is on the disk already is not asked for again.
  expect(at(100, 0, 100, 150 + 64)).not.toThrow();
  expect(at(100, 0, 100, 150 + 63)).toThrow();
  expect(at(100, 90, 100, 15 + 64)).not.toThrow();
  // Docker has learned of another layer.
  expect(at(100, 90, 200, 15 + 64)).toThrow();
  // It has arrived: however little is left, that is not undone.
  expect(at(200, 200, 200, 0)).not.toThrow();
  expect(at(0, 0, 0, 0)).not.toThrow();
  expect(at(0, 0, 9000, undefined)).not.toThrow();
});
