import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { refusedStart, startAlone } from "../contract/refused-start.ts";
import { newKeys } from "../support/keys.ts";
import { attempt, BASE_ENV } from "../support/run.ts";
import { stage } from "../support/stage.ts";

const NOT_SET = "environment variable not set; aborting startup";

test("everything that is wrong with the environment is said in one message", async () => {
  const message = await refusedStart({
    env: {
      JWT_PUBLIC_KEY_PATH: "",
      DOCKER_COMPOSE_FILE: "",
      AWS_REGION: "",
      ECR_DOMAIN: "https://registry.example/",
      DEBUG_MODE: "maybe",
      PORT: "0x50",
      LOG_TIMEZONE: "Mars/Olympus",
      TLS_CERT_FILE: "/etc/cert.pem",
    },
  });
  expect(message.split("\n").toSorted()).toEqual([
    `AWS_REGION ${NOT_SET}`,
    "DEBUG_MODE environment variable must be set to 'true' or 'false'; aborting startup",
    `DOCKER_COMPOSE_FILE ${NOT_SET}`,
    "ECR_DOMAIN must be host[:port], without https:// and without a path",
    `JWT_PUBLIC_KEY_PATH ${NOT_SET}`,
    "LOG_TIMEZONE must be a time zone such as America/Chicago or UTC",
    "PORT must be a port from 1 to 65535, or 0 for any free one",
    "TLS_KEY_FILE is needed too: a certificate and its key go together",
  ]);
});

test("wrong variables, a key file and a STATE_DIR that cannot be used are in the same message", async () => {
  const message = await refusedStart({
    env: {
      DEBUG_MODE: "maybe",
      JWT_PUBLIC_KEY_PATH: "/nonexistent/deployer.pub",
      DOCKER_HOST: "ssh://ann@host",
      STATE_DIR: "/etc/passwd",
    },
  });
  expect(message.split("\n")).toEqual([
    "DEBUG_MODE environment variable must be set to 'true' or 'false'; aborting startup",
    'DOCKER_HOST "ssh://ann@host" cannot be used: only unix:///path/to/docker.sock and tcp://host:port are supported',
    "JWT_PUBLIC_KEY_PATH: /nonexistent/deployer.pub: no such file or directory",
    "cannot use STATE_DIR /etc/passwd: not a folder",
  ]);
});

test("a key file and a STATE_DIR that cannot be used are in one message when the variables are right", async () => {
  const message = await refusedStart({
    env: { JWT_PUBLIC_KEY_PATH: "/nonexistent/deployer.pub", STATE_DIR: "/etc/passwd" },
  });
  expect(message.split("\n")).toEqual([
    "JWT_PUBLIC_KEY_PATH: /nonexistent/deployer.pub: no such file or directory",
    "cannot use STATE_DIR /etc/passwd: not a folder",
  ]);
});

const KEY_FILES: [what: string, content: () => string, message: RegExp][] = [
  ["an empty file", () => "", /must be a PEM/i],
  ["rubbish", () => "hello", /must be a PEM/i],
  ["a private key", () => newKeys().privatePem, /it holds a private key/],
  ["half a key", () => newKeys().publicPem.slice(0, 120), /key/i],
];

test.each(KEY_FILES)("%s as the key file ends the start", async (_, content, message) => {
  const dir = mkdtempSync(join(tmpdir(), "dstest-key-"));
  try {
    const file = join(dir, "deployer.pub");
    writeFileSync(file, content());
    const said = await refusedStart({ env: { JWT_PUBLIC_KEY_PATH: file } });
    expect(said).toContain(file);
    expect(said).toMatch(message);
    expect(said).not.toContain("\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a second daemon on one STATE_DIR ends in one line that names the first", async () => {
  await using first = await startAlone();
  const message = await refusedStart({ env: { STATE_DIR: first.stateDir } });
  expect(message).toBe(
    `another deployer-service is already using STATE_DIR ${first.stateDir} (pid ${first.pid})`,
  );
  expect((await first.request("GET", "/health")).status).toBe(200);
});

test("a daemon that was killed leaves no lock behind", async () => {
  await using first = await startAlone();
  await first.stop("SIGKILL");
  await using second = await first.startAgain();
  expect((await second.request("GET", "/health")).status).toBe(200);
});

test("a STATE_DIR that is a file ends the start in one line", async () => {
  expect(await refusedStart({ env: { STATE_DIR: "/etc/passwd" } })).toBe(
    "cannot use STATE_DIR /etc/passwd: not a folder",
  );
});

const USAGE_ERRORS: [args: string[], complaint: string][] = [
  [["nosuch"], 'unknown command "nosuch"'],
  [["--nosuch"], 'unknown flag "--nosuch"'],
  [["-x"], 'unknown flag "-x"'],
  [["serve", "--port=1"], 'unknown flag "--port=1" of "serve"'],
  [["serve", "again"], 'unknown argument "again" of "serve"'],
  [["check", "--yaml"], 'unknown flag "--yaml" of "check"'],
  [["version", "--json"], 'unknown flag "--json" of "version"'],
  [[""], 'unknown command ""'],
  [["help", "nosuch"], 'unknown command "nosuch"'],
];

test.each(USAGE_ERRORS)("%j is a usage error: stderr, exit code 2", async (args, complaint) => {
  const result = await attempt([stage().binary, ...args], { env: BASE_ENV });
  expect([result.exitCode, result.stdout]).toEqual([2, ""]);
  expect(result.stderr).toEndWith(`\ndeployer-service: ${complaint}\n`);
  expect(result.stderr).toMatch(/^Usage:/m);
});

test.each([
  [["--help"]],
  [["-h"]],
  [["serve", "--help"]],
  [["check", "--help"]],
  [["version", "--help"]],
  [["help"]],
  [["help", "status"]],
])("%j explains on stdout, exit code 0", async (args) => {
  const result = await attempt([stage().binary, ...args], { env: BASE_ENV });
  expect([result.exitCode, result.stderr]).toEqual([0, ""]);
  expect(result.stdout).toStartWith("deployer-service");
});
