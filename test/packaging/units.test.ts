import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tool } from "./tool.ts";
import { readText } from "./workflow.ts";

const DEADLINE = 150_000;
const UNITS = ["systemd/deployer.service", "systemd/deployer-hardened.service"];

test.each(UNITS)(
  "%s is clean under systemd-analyze verify",
  async (path) => {
    expect(verify(await readText(path))).toBe("");
  },
  DEADLINE,
);

test(
  "systemd-analyze finds a mistake, so passing it means something",
  async () => {
    expect(verify((await readText(UNITS[0] ?? "")).replace("KillMode=mixed", "KillMode=mild"))).toContain(
      "mild",
    );
  },
  DEADLINE,
);

test.each(UNITS)("%s keeps what a rollout needs from its unit", async (path) => {
  const unit = settings(await readText(path));
  expect(unit.get("Wants")).toEqual(["docker.service network-online.target"]);
  expect(unit.has("Requires")).toBe(false);
  expect(unit.get("KillMode")).toEqual(["mixed"]);
  expect(unit.get("TimeoutStopSec")).toEqual(["120"]);
  expect(unit.get("LimitNOFILE")).toEqual(["65536"]);
  expect(unit.get("UnsetEnvironment")).toEqual(["BUN_BE_BUN BUN_OPTIONS"]);
  expect(unit.get("ExecStart")).toEqual(["/opt/deployer-service/deployer"]);
  expect(unit.get("Environment")).toContain('"STATE_DIR=/var/lib/deployer-service"');
  expect(unit.get("Environment")).toContain('"RUN_DIR=/run/deployer-service"');
});

test("the unit for existing hosts has the original's folder, variables and user", async () => {
  const unit = settings(await readText("systemd/deployer.service"));
  expect(unit.has("User")).toBe(false);
  expect(unit.get("WorkingDirectory")).toEqual(["/opt/deployer-service"]);
  expect(unit.get("Restart")).toEqual(["always"]);
  expect(unit.get("RestartSec")).toEqual(["5"]);
  const names = (unit.get("Environment") ?? []).map((value) => value.replace(/^"([A-Z_]+)=.*/, "$1"));
  for (const name of [
    "JWT_PUBLIC_KEY_PATH",
    "DOCKER_COMPOSE_FILE",
    "AWS_REGION",
    "ECR_DOMAIN",
    "DEBUG_MODE",
  ]) {
    expect(names).toContain(name);
  }
});

test("the hardened unit works on systemd 219 and leaves the JIT compiler its memory", async () => {
  const unit = settings(await readText("systemd/deployer-hardened.service"));
  expect(unit.get("User")).toEqual(["deployer"]);
  expect(unit.get("Group")).toEqual(["docker"]);
  expect(unit.get("PermissionsStartOnly")).toEqual(["true"]);
  expect(unit.get("ExecStartPre")).toEqual([
    "+/usr/bin/install -d -o deployer -g docker -m 0700 /var/lib/deployer-service",
    "/usr/bin/install -d -o deployer -g docker -m 0700 /var/lib/deployer-service",
  ]);
  expect(unit.get("ProtectSystem")).toEqual(["full", "strict"]);
  expect(unit.has("MemoryDenyWriteExecute")).toBe(false);
  // 219 would take a list with a group it does not know as one that allows almost nothing.
  expect(unit.has("SystemCallFilter")).toBe(false);
});

function verify(unit: string): string {
  const folder = mkdtempSync(join(tmpdir(), "unit-"));
  try {
    const path = join(folder, "deployer.service");
    writeFileSync(path, unit.replace(/^ExecStart=.*$/m, "ExecStart=/bin/true"));
    const { exitCode, stdout, stderr } = Bun.spawnSync([
      tool("systemd-analyze", "systemd"),
      "verify",
      "--man=no",
      path,
    ]);
    return `${stdout.toString()}${stderr.toString()}${exitCode === 0 ? "" : `exit ${exitCode}`}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function settings(unit: string): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const line of unit.split("\n")) {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) all.set(key, [...(all.get(key) ?? []), value]);
  }
  return all;
}
