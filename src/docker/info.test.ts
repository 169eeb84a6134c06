import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";

const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

function info(fields: Record<string, unknown> = {}): Response {
  return Response.json({
    OSType: "linux",
    Architecture: "x86_64",
    DockerRootDir: "/var/lib/docker",
    ...fields,
  });
}

test.each([
  ["x86_64", "amd64"],
  ["aarch64", "arm64"],
  ["armv7l", "arm"],
  ["i686", "386"],
  ["riscv64", "riscv64"],
])("the architecture %s is %s in the words of images", async (kernel, image) => {
  await using fake = fakeEngine(() => info({ Architecture: kernel }));
  expect(await createEngine({ host: fake.host, clock }).info()).toEqual({
    os: "linux",
    architecture: image,
    rootDir: "/var/lib/docker",
  });
});

test("with the containerd image store images are in containerd's folder", async () => {
  await using fake = fakeEngine(() =>
    info({ DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]] }),
  );
  expect((await createEngine({ host: fake.host, clock }).info()).rootDir).toBe("/var/lib/containerd");
});

test("other details of the storage driver change nothing", async () => {
  await using fake = fakeEngine(() => info({ DriverStatus: [["Backing Filesystem", "extfs"]] }));
  expect((await createEngine({ host: fake.host, clock }).info()).rootDir).toBe("/var/lib/docker");
});
