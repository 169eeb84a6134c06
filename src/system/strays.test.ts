import { expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { killStrays } from "./strays.ts";

test("docker commands on the files of this STATE_DIR are killed, those of people and of other daemons are not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "strays-"));
  const docker = join(folder, "docker");
  copyFileSync("/bin/sleep", docker);
  const start = (program: string, file: string) =>
    // A second name for the program's arguments: `sleep` would refuse a path.
    Bun.spawn(["/bin/sh", "-c", "sleep 60; :", "-f", file], {
      argv0: program,
      stdout: "ignore",
      stderr: "ignore",
    });
  const strays = [
    start(docker, join(folder, "candidate.compose.yml")),
    start("docker-compose", join(folder, "configs", "0123.json")),
    start(docker, join(folder, "edge", "proxy.json")),
  ];
  const others = [
    start(docker, join(folder, "pins.compose.yml")),
    start(docker, join(`${folder}-other`, "candidate.compose.yml")),
    start("less", join(folder, "candidate.compose.yml")),
  ];
  try {
    expect(killStrays(folder)).toHaveLength(strays.length);
    await Promise.all(strays.map(({ exited }) => exited));
    expect(strays.map(({ signalCode }) => signalCode)).toEqual(strays.map(() => "SIGKILL"));
    expect(others.map(({ exitCode, signalCode }) => [exitCode, signalCode])).toEqual(
      others.map(() => [null, null]),
    );
  } finally {
    for (const child of others) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
