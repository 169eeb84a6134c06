import { expect, test } from "bun:test";
import { tmpdir } from "node:os";

import { systemDisk } from "./disk.ts";

test("free is what df says is available", () => {
  const { stdout } = Bun.spawnSync(["df", "--output=avail", "--block-size=1", tmpdir()]);
  const available = Number(stdout.toString().split("\n")[1]);
  const free = systemDisk.free(tmpdir()) ?? 0;
  // Others are at work on this disk.
  expect(Math.abs(free - available)).toBeLessThan(Math.max(1e9, available / 10));
});

test("a path that is not there has no free space known", () => {
  expect(systemDisk.free("/nowhere/at/all")).toBeUndefined();
});
