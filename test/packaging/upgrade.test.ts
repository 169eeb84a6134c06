import { expect, test } from "bun:test";
import { chmodSync, lstatSync, readlinkSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { createTestCa } from "../support/test-ca.ts";
import { Host, program } from "./host.ts";
import { Releases } from "./releases.ts";

const DEADLINE = 60_000;
const OLD = program("v1.0.0");
const NEW = program("v1.1.0");

test.concurrent(
  "the newest release is installed, restarted and keeps the previous program beside it",
  async () => {
    using releases = new Releases();
    releases.add("v1.0.0", { "deployer-service": OLD });
    releases.add("v1.1.0", { "deployer-service": NEW });
    using host = new Host(OLD);
    chmodSync(host.binary, 0o755);

    const { exitCode, output } = await host.upgrade(releases.url);

    expect(output).toContain("v1.1.0 is healthy");
    expect(exitCode).toBe(0);
    expect(await host.runningVersion()).toBe("v1.1.0");
    expect(host.read("deployer")).toBe(NEW);
    expect(host.read("deployer.previous")).toBe(OLD);
    expect(lstatSync(host.binary).mode & 0o777).toBe(0o755);
    expectNothingLeft(host);
    expect(host.read("systemctl.log")).not.toContain("daemon-reload");
  },
  DEADLINE,
);

test.concurrent(
  "a given release is installed, an older one too",
  async () => {
    using releases = new Releases();
    releases.add("v1.0.0", { "deployer-service": OLD });
    releases.add("v1.1.0", { "deployer-service": NEW });
    using host = new Host(NEW);

    const { exitCode } = await host.upgrade(releases.url, ["v1.0.0"]);

    expect(exitCode).toBe(0);
    expect(await host.runningVersion()).toBe("v1.0.0");
    expect(host.read("deployer.previous")).toBe(NEW);
  },
  DEADLINE,
);

test.concurrent(
  "the release that runs already is not installed again",
  async () => {
    using releases = new Releases();
    releases.add("v1.0.0", { "deployer-service": OLD });
    using host = new Host(OLD);
    await untilAnswering(host);
    const restarts = restartsOf(host);

    const { exitCode, output } = await host.upgrade(releases.url);

    expect(output).toContain("v1.0.0 runs already");
    expect(exitCode).toBe(0);
    expect(restartsOf(host)).toBe(restarts);
  },
  DEADLINE,
);

test.concurrent(
  "a daemon that answers by HTTPS alone is found there, whatever name its certificate has",
  async () => {
    using ca = await createTestCa();
    using releases = new Releases();
    releases.add("v1.0.0", { "deployer-service": OLD });
    releases.add("v1.1.0", { "deployer-service": NEW });
    releases.add("v1.2.0", { "deployer-service": program("v1.2.0", "unhealthy") });
    using host = new Host(OLD, await ca.issue("deploy.example"));

    expect((await host.upgrade(releases.url, ["v1.1.0"])).exitCode).toBe(0);
    expect(await host.runningVersion()).toBe("v1.1.0");
    expect((await host.upgrade(releases.url, ["v1.1.0"])).output).toContain("v1.1.0 runs already");
    const { exitCode, output } = await host.upgrade(releases.url, ["v1.2.0"]);
    expect(output).toContain("the previous program is back and healthy");
    expect(exitCode).toBe(3);
  },
  DEADLINE,
);

test.concurrent(
  "on ARM the ARM program is taken",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": "not this one", "deployer-service-linux-arm64": NEW });
    using host = new Host(OLD);
    host.replace("uname", "#!/bin/sh\necho aarch64\n");

    expect((await host.upgrade(releases.url)).exitCode).toBe(0);

    expect(await host.runningVersion()).toBe("v1.1.0");
  },
  DEADLINE,
);

test.concurrent(
  "a program that does not become healthy is replaced by the previous one",
  async () => {
    for (const health of ["unhealthy", "dies"] as const) {
      using releases = new Releases();
      releases.add("v1.1.0", { "deployer-service": program("v1.1.0", health) });
      using host = new Host(OLD);
      writeFileSync(`${host.binary}.previous`, "the one before");

      const { exitCode, output } = await host.upgrade(releases.url);

      expect(output).toContain("v1.1.0 is not healthy after 3 s");
      expect(output).toContain("the previous program is back and healthy");
      expect(exitCode).toBe(3);
      expect(await host.runningVersion()).toBe("v1.0.0");
      expect(host.read("deployer")).toBe(OLD);
      expect(host.read("deployer.previous")).toBe("the one before");
      expectNothingLeft(host);
    }
  },
  DEADLINE,
);

test.concurrent(
  "a program that answers with another version is replaced by the previous one",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": program("v1.0.9", "healthy", "v1.1.0") });
    using host = new Host(OLD);

    const { exitCode, output } = await host.upgrade(releases.url);

    expect(output).toContain('/version answers "v1.0.9", not v1.1.0');
    expect(exitCode).toBe(3);
    expect(await host.runningVersion()).toBe("v1.0.0");
  },
  DEADLINE,
);

test.concurrent(
  "when the previous program is not healthy either, that is said and exit is 5",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": program("v1.1.0", "dies") });
    using host = new Host(program("v1.0.0", "unhealthy"));

    const { exitCode, output } = await host.upgrade(releases.url, [], { DEPLOYER_HEALTH_SECONDS: "1" });

    expect(output).toContain("the previous program is not healthy either");
    expect(exitCode).toBe(5);
    expect(host.read("deployer")).toContain("v1.0.0");
  },
  DEADLINE,
);

test.concurrent(
  "a termination in the middle of the restart puts the previous program back",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": program("v1.1.0", "unhealthy") });
    using host = new Host(OLD);

    const script = `bash "$0" & pid=$!; sleep 3; kill -HUP $pid; kill -TERM $pid; wait $pid`;
    const { exitCode } = await host.run(["bash", "-c", script, `${import.meta.dir}/../../bin/upgrade.sh`], {
      DEPLOYER_RELEASES_URL: releases.url,
      DEPLOYER_HEALTH_SECONDS: "20",
    });

    expect(exitCode).toBe(3);
    expect(await host.runningVersion()).toBe("v1.0.0");
  },
  DEADLINE,
);

test.concurrent(
  "a program behind a symbolic link is replaced, not what the link points to",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": program("v1.1.0", "dies") });
    releases.add("v1.2.0", { "deployer-service": program("v1.2.0") });
    using host = new Host(OLD);
    renameSync(host.binary, `${host.binary}-1.0.0`);
    symlinkSync("deployer-1.0.0", host.binary);

    expect((await host.upgrade(releases.url, ["v1.1.0"])).exitCode).toBe(3);
    expect(readlinkSync(host.binary)).toBe("deployer-1.0.0");
    expect((await host.upgrade(releases.url, ["v1.2.0"])).exitCode).toBe(0);
    expect(host.read("deployer-1.0.0")).toBe(OLD);
    expect(host.read("deployer.previous")).toBe(OLD);
    expect(await host.runningVersion()).toBe("v1.2.0");
  },
  DEADLINE,
);

function expectNothingLeft(host: Host): void {
  for (const left of ["deployer.new", "deployer.new.sums", "deployer.rollback"])
    expect(host.has(left)).toBe(false);
}

function restartsOf(host: Host): number {
  return host.read("systemctl.log").split("restart").length;
}

async function untilAnswering(host: Host): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await host.runningVersion().catch(() => "")) !== "") return;
    await Bun.sleep(50);
  }
}
