import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";

import { systemDisk } from "./disk.ts";

test("free and size are what df says, in bytes", () => {
  const [free = 0, size = 0] = execFileSync("df", ["-B1", "--output=avail,size", tmpdir()])
    .toString()
    .split("\n")[1]!
    .trim()
    .split(/\s+/)
    .map(Number);
  expect(systemDisk.size(tmpdir())).toBe(size);
  // Others write to it meanwhile.
  expect(Math.abs((systemDisk.free(tmpdir()) ?? 0) - free)).toBeLessThan(1024 ** 3);
});

test("what is not here cannot be seen", () => {
  expect(systemDisk.free("/no/such/folder")).toBeUndefined();
  expect(systemDisk.size("/no/such/folder")).toBeUndefined();
});
