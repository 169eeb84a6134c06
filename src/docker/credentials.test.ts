import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import type { Log } from "../core/ports.ts";
import type { Command, RunResult } from "../system/run.ts";
import { createDockerCredentials } from "./credentials.ts";

const HUB_KEY = "https://index.docker.io/v1/";

type Entry = { message: string; fields: Record<string, unknown> };

function setUp(config: unknown, answer: Partial<RunResult> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "docker-config-"));
  const file = join(folder, "config.json");
  if (config !== undefined) writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  const commands: Command[] = [];
  const logged: Entry[] = [];
  const note = (message: string, fields: Record<string, unknown> = {}) =>
    void logged.push({ message, fields });
  const log: Log = { debug: note, info: note, warn: note, error: note, fatal: note };
  const find = createDockerCredentials({
    env: { DOCKER_CONFIG: folder },
    log,
    run: (command) => {
      commands.push(command);
      return Promise.resolve({
        exitCode: 0,
        signal: undefined,
        stdout: "",
        stderr: "",
        timedOut: false,
        ...answer,
      });
    },
  });
  return {
    commands,
    logged,
    file,
    folder,
    find,
    reveal: async (registry: string) => {
      const credential = await find(registry);
      return credential && [credential.username, credential.password.reveal(), credential.server];
    },
  };
}

function auth(login: string): { auth: string } {
  return { auth: Buffer.from(login).toString("base64") };
}

test("without a file there is no credential, and nothing is said", async () => {
  const { reveal, logged } = setUp(undefined);
  expect(await reveal("ghcr.io")).toBeUndefined();
  expect(logged).toEqual([]);
});

test("a stored login is used for its registry only", async () => {
  const { reveal } = setUp({ auths: { "ghcr.io": auth("ann:pa:ss\0"), "r.example:5000": auth("bob:x") } });
  expect(await reveal("ghcr.io")).toEqual(["ann", "pa:ss", "ghcr.io"]);
  expect(await reveal("r.example:5000")).toEqual(["bob", "x", "r.example:5000"]);
  expect(await reveal("r.example")).toBeUndefined();
  expect(await reveal("docker.io")).toBeUndefined();
});

test("Docker Hub's login stands under its historic address", async () => {
  const { reveal } = setUp({ auths: { [HUB_KEY]: auth("ann:pw") } });
  expect(await reveal("docker.io")).toEqual(["ann", "pw", HUB_KEY]);
});

test("a registry is found under another spelling of its address", async () => {
  const { reveal } = setUp({ auths: { "https://GHCR.io/v2/": auth("ann:pw") } });
  expect(await reveal("ghcr.io")).toEqual(["ann", "pw", "ghcr.io"]);
});

test("an identity token is marked as one", async () => {
  const { reveal } = setUp({ auths: { "r.example": { ...auth("00000000:"), identitytoken: "idt" } } });
  expect(await reveal("r.example")).toEqual(["<token>", "idt", "r.example"]);
});

test("plain user name and password are read too, empty entries are no credential", async () => {
  const { reveal } = setUp({
    auths: { "a.example": { username: "u", password: "p" }, "b.example": {}, "c.example": null },
  });
  expect(await reveal("a.example")).toEqual(["u", "p", "a.example"]);
  expect(await reveal("b.example")).toBeUndefined();
  expect(await reveal("c.example")).toBeUndefined();
});

test("names of JavaScript's own are no registries", async () => {
  const { reveal } = setUp({ auths: {}, credHelpers: {} });
  expect(await reveal("constructor")).toBeUndefined();
  expect(await reveal("__proto__")).toBeUndefined();
});

test("a registry's own helper comes before the store, and is asked on stdin", async () => {
  const { reveal, commands } = setUp(
    { credsStore: "store", credHelpers: { "ghcr.io": "gh" } },
    { stdout: JSON.stringify({ ServerURL: "ghcr.io", Username: "ann", Secret: "pw" }) },
  );
  expect(await reveal("ghcr.io")).toEqual(["ann", "pw", "ghcr.io"]);
  expect(await reveal("docker.io")).toEqual(["ann", "pw", HUB_KEY]);
  expect(commands.map(({ argv, input }) => [argv, input])).toEqual([
    [["docker-credential-gh", "get"], "ghcr.io"],
    [["docker-credential-store", "get"], HUB_KEY],
  ]);
});

test("a helper that knows nothing is no credential, without a warning", async () => {
  const { reveal, logged } = setUp(
    { credsStore: "store" },
    { exitCode: 1, stdout: "credentials not found in native keychain\n" },
  );
  expect(await reveal("ghcr.io")).toBeUndefined();
  expect(logged).toEqual([]);
});

test.each([
  ["fails", { exitCode: 3, stdout: "s3cret", stderr: "s3cret" }, "exit code 3"],
  ["answers something else", { exitCode: 0, stdout: '{"Secret":"s3cret"' }, "exit code 0"],
  ["hangs", { exitCode: undefined, signal: "SIGTERM", timedOut: true }, "no answer in time"],
])("a helper that %s is a warning without its output, and no credential", async (_, answer, reason) => {
  const { reveal, logged } = setUp({ credsStore: "store" }, answer);
  expect(await reveal("ghcr.io")).toBeUndefined();
  expect(logged).toEqual([
    {
      message: "docker credential helper gave no credential",
      fields: { helper: "docker-credential-store", registry: "ghcr.io", reason },
    },
  ]);
});

test("a helper whose name is a path is never started", async () => {
  const { reveal, logged, commands } = setUp({ credsStore: "x/../../tmp/evil" });
  expect(await reveal("ghcr.io")).toBeUndefined();
  expect(commands).toEqual([]);
  expect(logged).toHaveLength(1);
});

test.each([
  ["no JSON", '{"auths":{"ghcr.io":{"auth":"czNjcmV0"', "is not JSON"],
  [
    "another shape",
    { auths: { "ghcr.io": { auth: 5, note: "czNjcmV0" } } },
    "is not a docker configuration: auths.ghcr.io.auth has the wrong shape",
  ],
])("a file of %s is a warning that quotes nothing of it, and no credential", async (_, config, reason) => {
  const { reveal, logged, file } = setUp(config);
  expect(await reveal("ghcr.io")).toBeUndefined();
  expect(logged).toEqual([
    {
      message: "docker credentials cannot be used",
      fields: { file, registry: "ghcr.io", reason: `${file} ${reason}` },
    },
  ]);
});

test("a file that cannot be read is a warning, and no credential", async () => {
  const { reveal, logged, file } = setUp(undefined);
  mkdirSync(file);
  expect(await reveal("ghcr.io")).toBeUndefined();
  expect(logged[0]?.fields["reason"]).toBe(`${file} cannot be read (EISDIR)`);
});

test("the file is left exactly as it is", async () => {
  const { reveal, file, folder } = setUp({ auths: { "ghcr.io": auth("ann:pw") } });
  const before = readFileSync(file, "utf8");
  await reveal("ghcr.io");
  expect(readFileSync(file, "utf8")).toBe(before);
  expect(readdirSync(folder)).toEqual(["config.json"]);
});
