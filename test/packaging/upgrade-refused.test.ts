import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { Host, program, type Outcome } from "./host.ts";
import { Releases } from "./releases.ts";

const DEADLINE = 30_000;
const OLD = program("v1.0.0");
const NEW = program("v1.1.0");

test.concurrent(
  "a wrong checksum changes nothing",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": NEW }, `${"0".repeat(64)}  deployer-service\n`);
    using host = new Host(OLD);

    const outcome = await host.upgrade(releases.url);

    await expectUntouched(host, outcome, "the checksum of deployer-service is wrong");
  },
  DEADLINE,
);

test.concurrent(
  "a release without SHA256SUMS, or without this program in it, changes nothing",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": NEW }, "no sums\n");
    using host = new Host(OLD);

    await expectUntouched(host, await host.upgrade(releases.url), "does not name deployer-service");
    await expectUntouched(
      host,
      await host.upgrade(releases.url, ["v9.9.9"]),
      "cannot download SHA256SUMS of v9.9.9",
    );
  },
  DEADLINE,
);

test.concurrent(
  "a connection cut in the middle changes nothing",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": NEW });
    releases.cut = "deployer-service";
    using host = new Host(OLD);

    const outcome = await host.upgrade(releases.url);

    await expectUntouched(host, outcome, "cannot download deployer-service of v1.1.0");
  },
  DEADLINE,
);

test.concurrent(
  "no server, and a server without releases, are said",
  async () => {
    using releases = new Releases();
    using host = new Host(OLD);

    await expectUntouched(host, await host.upgrade(releases.url), "cannot reach");
    await expectUntouched(host, await host.upgrade("http://127.0.0.1:1"), "cannot reach http://127.0.0.1:1");
    await expectUntouched(host, await host.upgrade(""), "set DEPLOYER_REPOSITORY=owner/name");
  },
  DEADLINE,
);

test.concurrent(
  "a disk that takes no more changes nothing",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": NEW });
    using host = new Host(OLD);

    const script = 'ulimit -f 16; trap "" XFSZ; exec bash "$0"';
    const outcome = await host.run(["bash", "-c", script, `${import.meta.dir}/../../bin/upgrade.sh`], {
      DEPLOYER_RELEASES_URL: releases.url,
    });

    await expectUntouched(host, outcome, "cannot download deployer-service of v1.1.0");
  },
  DEADLINE,
);

test.concurrent(
  "a program that cannot run here, or is another version, is never started",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": "\x7fELF of another machine" });
    releases.add("v1.2.0", { "deployer-service": program("v1.2.0", "healthy", "v1.2.0-rc1") });
    using host = new Host(OLD);

    await expectUntouched(host, await host.upgrade(releases.url, ["v1.1.0"]), "does not run here");
    await expectUntouched(host, await host.upgrade(releases.url, ["v1.2.0"]), "not v1.2.0");
  },
  DEADLINE,
);

test.concurrent(
  "an unknown machine and missing programs are named",
  async () => {
    using host = new Host(OLD);
    const without = host.onlyPrograms(["bash", "uname", "systemctl"]);

    await expectUntouched(host, await host.upgrade("http://127.0.0.1:1", [], without), "curl is needed");
    host.replace("uname", "#!/bin/sh\necho riscv64\n");
    await expectUntouched(host, await host.upgrade("http://127.0.0.1:1"), "there is no release for riscv64");
  },
  DEADLINE,
);

test.concurrent(
  "of two at once one gives way",
  async () => {
    using releases = new Releases();
    releases.add("v1.1.0", { "deployer-service": NEW });
    using host = new Host(OLD);

    const outcomes = await Promise.all([host.upgrade(releases.url), host.upgrade(releases.url)]);

    expect(outcomes.map((outcome) => outcome.exitCode).toSorted((a, b) => a - b)).toEqual([0, 1]);
    expect(outcomes.map((outcome) => outcome.output).join("")).toContain("another upgrade is running");
    expect(await host.runningVersion()).toBe("v1.1.0");
  },
  DEADLINE,
);

test.concurrent(
  "what an interrupted upgrade left is kept as the previous program",
  async () => {
    using releases = new Releases();
    using host = new Host(OLD);
    writeFileSync(`${host.binary}.rollback`, "the good one");

    const { output } = await host.upgrade(releases.url);

    expect(output).toContain("an earlier upgrade was interrupted");
    expect(host.read("deployer.previous")).toBe("the good one");
  },
  DEADLINE,
);

test.concurrent("anything but a version is usage, exit 2", async () => {
  using host = new Host(OLD);
  for (const args of [["--help"], ["latest"], ["v1.0.0", "v1.1.0"], ["v1/../../x"], ["v1; reboot"]]) {
    const { exitCode, output } = await host.upgrade("http://127.0.0.1:1", args);
    expect(output).toBe("usage: upgrade.sh [v1.2.3]\n");
    expect(exitCode).toBe(2);
  }
});

async function expectUntouched(host: Host, { exitCode, output }: Outcome, reason: string): Promise<void> {
  expect(output).toContain(reason);
  expect(exitCode).toBe(1);
  expect(host.read("deployer")).toBe(OLD);
  expect(await host.runningVersion()).toBe("v1.0.0");
  for (const left of ["deployer.new", "deployer.new.sums", "deployer.rollback", "deployer.previous"]) {
    expect(host.has(left)).toBe(false);
  }
}
