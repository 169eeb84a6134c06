import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findEngine } from "../../demo/engine.ts";
import { Show, wantsColour } from "../../demo/show.ts";
import { type Demo, startDemo } from "../support/demo-process.ts";
import { BASE_ENV, run } from "../support/run.ts";
import { stage } from "../support/stage.ts";

/** What the demo promises: under 60 s after set-up. */
const STORY_DEADLINE = 60_000;
const SET_UP_DEADLINE = 60_000;
const CLEAN_UP_DEADLINE = 30_000;
const NO_DOCKER = "unix:///nonexistent/docker.sock";

test("the demo shows every step with what it proves, and leaves nothing", async () => {
  await using demo = startDemo([]);
  await demo.printed("1. a fresh host", SET_UP_DEADLINE);
  await demo.printed("cleaning up", STORY_DEADLINE);
  expect(await demo.ended()).toBe(0);

  const text = demo.text();
  const registry = partOf(text, "registry");
  expectInOrder(unwrapped(text), [
    `docker    Engine `,
    `, at ${stage().docker.host}\n`,
    "1. a fresh host",
    "registry login successful",
    "   v1\n",
    "   deploy request successful for service web\n",
    "proves: ",
    "2. version 2 is pushed",
    `"image":"${registry}/web:v2"`,
    "   deploy request successful for service web\n",
    "   v2\n",
    "proves: ",
    "3. the registry token expires",
    "   deploy request successful for service web\n",
    "pull refused by the registry; logging in again: ",
    "Your authorization token has expired.",
    "registry login successful",
    "pull accepted after a new registry login",
    "   v3\n",
    "proves: ",
    "4. version 4 is broken",
    "   500 unable to update service\n",
    "exited with code 3\n",
    `what serves now: ${registry}/web:v3@sha256:`,
    "   v3\n",
    "proves: ",
    "5. somebody signs a webhook with a key of their own",
    "   401 unauthorized\n",
    "token signature is invalid",
    "   v3\n",
    "proves: ",
    "every step showed what it should, in ",
    "cleaning up\n",
    "all that the demo made is removed",
  ]);
  expect(text).not.toContain("\u001b");
  expect(demo.errors()).toBe("");
  await expectNothingLeft(demo);
});

test("with --keep it stays up with commands that work, until Ctrl-C", async () => {
  await using demo = startDemo(["--keep"]);
  await demo.printed("the daemon's log, as it comes", SET_UP_DEADLINE + STORY_DEADLINE);
  const commands = [
    ...demo
      .text()
      .split("it stays up until Ctrl-C")[1]!
      .matchAll(/^ +\$ (.+)$/gm),
  ].map((match) => match[1]!);
  const [cd = "", ...others] = commands;
  expect(cd).toStartWith("cd /");
  const type = async (part: string) => {
    const command = others.find((text) => text.includes(part));
    return (await run(["sh", "-c", `${cd}\n${command}`], { env: { ...BASE_ENV } })).stdout;
  };
  expect(await type('"image":')).toBe("deploy request successful for service web\n");
  expect(await type(`curl ${webUrlOf(demo.text())}`)).toBe("v2");
  expect(await type("./jwt verify")).toContain("iss: github-actions");
  expect(await type("/logout")).toBe("docker logout successful\n");
  expect(JSON.parse(await type("/ready"))).toMatchObject({ docker: "ok" });
  expect(await type("docker --host")).toContain(`${partOf(demo.text(), "registry")}/web:v2`);
  await demo.printed("registry credential dropped", CLEAN_UP_DEADLINE);

  demo.interrupt();
  expect(await demo.ended()).toBe(0);
  expect(demo.errors()).toBe("");
  await expectNothingLeft(demo);
});

test("Ctrl-C in the middle of a deployment removes everything, the private Docker too", async () => {
  await using demo = startDemo([], { DOCKER_HOST: NO_DOCKER });
  await demo.printed(`a private one: there is none at ${NO_DOCKER}`, SET_UP_DEADLINE);
  const engines = childrenOf(demo.pid).filter((child) => child.args.includes("--data-root="));
  expect(engines).toHaveLength(1);
  const folder = /--data-root=(\S+)/.exec(engines[0]!.args)![1]!;
  expect(readdirSync(folder)).not.toBeEmpty();
  await demo.printed('"image":', SET_UP_DEADLINE);
  demo.interrupt();
  expect(await demo.ended()).toBe(130);
  expect(demo.errors()).toBe("\ndemo: interrupted by SIGINT\n");
  expect(demo.text()).toEndWith("\ncleaning up\n");
  expect(() => readdirSync(folder)).toThrow("ENOENT");
  expect(readdirSync(demo.tmp)).toEqual([]);
  expect((await run(["busybox", "ps", "-o", "args"])).stdout).not.toContain(folder);
});

test("a step that does not show what it should ends the demo with 1 and says which", async () => {
  const folder = mkdtempSync(join(tmpdir(), "dstest-curl-"));
  writeFileSync(join(folder, "curl"), "#!/bin/sh\nprintf 'v0status: 200'\n", { mode: 0o755 });
  await using demo = startDemo([], { PATH: `${folder}:${BASE_ENV["PATH"]}` });
  expect(await demo.ended()).toBe(1);
  expect(demo.text()).toContain("   v0\n   log ");
  rmSync(folder, { recursive: true });
  expect(demo.errors()).toBe("\ndemo: this step did not show that v1 serves\n");
  await expectNothingLeft(demo);
});

test("colour is for terminals whose user has not set NO_COLOR", () => {
  const terminal = { isTTY: true };
  expect(wantsColour(terminal, {})).toBe(true);
  expect(wantsColour(terminal, { NO_COLOR: "1" })).toBe(false);
  expect(wantsColour({}, {})).toBe(false);
  const printed = (isColourful: boolean) => {
    let text = "";
    new Show((part) => (text += part), isColourful).proof("it works");
    return text;
  };
  expect(printed(false)).toBe("   proves: it works\n");
  expect(printed(true)).toBe("   \u001b[32mproves: it works\u001b[0m\n");
});

test("--help explains, anything unknown is a usage error", async () => {
  await using help = startDemo(["--help"]);
  expect(await help.ended()).toBe(0);
  expect(help.text()).toContain("--keep ");
  await using wrong = startDemo(["--for-ever"]);
  expect(await wrong.ended()).toBe(2);
  expect(wrong.errors()).toContain("'--for-ever'");
  expect(wrong.errors()).toEndWith("usage: npm run demo [-- --keep]\n");
});

test("who has no Docker and is not root is told what to do", async () => {
  const show = new Show(() => {}, false);
  const attempt = findEngine(show, { host: NO_DOCKER, isRoot: false });
  expect(await attempt.catch((error: Error) => error.message)).toBe(
    `no Docker Engine on this machine that this user may use answers at ${NO_DOCKER}. One of these helps:
  let the demo bring a private one:   sudo npm run demo
  is it installed and running?        sudo systemctl start docker
  may this user use it?               sudo usermod -aG docker $USER, then log in again
  install it, and what else the demo needs:
    Ubuntu      sudo apt-get install docker.io docker-compose-v2 docker-registry busybox-static curl
    Debian 13   sudo apt-get install docker.io docker-cli docker-compose docker-registry busybox-static curl
    Debian 12   sudo apt-get install docker.io docker-registry busybox-static curl
                and the Compose plugin: https://docs.docker.com/compose/install/linux/`,
  );
});

async function expectNothingLeft(demo: Demo): Promise<void> {
  const { docker } = stage();
  expect(readdirSync(demo.tmp)).toEqual([]);
  for (const list of [
    ["ps", "--all"],
    ["network", "ls"],
    ["volume", "ls"],
  ]) {
    expect((await docker.docker(...list)).stdout).not.toContain("deployer-demo");
  }
  const images = await docker.docker("images", "--all", "--digests");
  expect(images.stdout).not.toContain(partOf(demo.text(), "registry"));
  const ports = [...demo.text().matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1]));
  for (const port of new Set(ports)) {
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  }
}

function expectInOrder(text: string, parts: readonly string[]): void {
  let rest = text;
  for (const part of parts) {
    expect(rest).toContain(part);
    rest = rest.slice(rest.indexOf(part) + part.length);
  }
}

/** Long log lines in one piece again. */
function unwrapped(text: string): string {
  return text.replaceAll(/\n {13}/g, " ");
}

/** `   registry  127.0.0.1:5000, asks …` */
function partOf(text: string, name: string): string {
  return new RegExp(`^ +${name} +([^,\\s]+)`, "m").exec(text)?.[1] ?? "";
}

function webUrlOf(text: string): string {
  return /web, at (\S+),/.exec(text)?.[1] ?? "";
}

function childrenOf(pid: number): { pid: number; args: string }[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .trim()
    .split(" ")
    .map((child) => ({
      pid: Number(child),
      args: readFileSync(`/proc/${child}/cmdline`, "utf8").replaceAll("\0", " "),
    }));
}
