import { expect, test } from "bun:test";
import { tmpdir } from "node:os";

import { systemDisk } from "./disk.ts";

test("free and size are what df says", () => {
  const { stdout } = Bun.spawnSync(["df", "--output=avail,size", "--block-size=1", tmpdir()]);
  const [available = 0, size = 0] = (stdout.toString().split("\n")[1] ?? "").trim().split(/\s+/).map(Number);
  // Others are at work on this disk.
  expect(Math.abs((systemDisk.free(tmpdir()) ?? 0) - available)).toBeLessThan(Math.max(1e9, available / 10));
  expect(systemDisk.size(tmpdir())).toBe(size);
});

test("of a path that is not there nothing is known", () => {
  expect(systemDisk.free("/nowhere/at/all")).toBeUndefined();
  expect(systemDisk.size("/nowhere/at/all")).toBeUndefined();
});
