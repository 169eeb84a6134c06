import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { fingerprint } from "./inputs.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inputs-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, content: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

function print(): string | undefined {
  return fingerprint(join(folder, "docker-compose.yml"));
}

const SERVICE = "services:\n  web:\n    image: web:v1\n";

test("the same files give the same fingerprint", () => {
  write("docker-compose.yml", SERVICE);
  expect(print()).toMatch(/^[0-9a-f]{64}$/);
  expect(print()).toBe(print() ?? "");
});

test("a file that nothing names changes nothing", () => {
  write("docker-compose.yml", SERVICE);
  const before = print();
  write("README", "x");
  write("docker-compose.override.yml", SERVICE);
  expect(print()).toBe(before ?? "");
});

describe("a changed, a new and a removed file change it:", () => {
  test.each<[string, string, string]>([
    [".env", SERVICE, ".env"],
    ["env_file, short", `${SERVICE}    env_file: web.env\n`, "web.env"],
    ["env_file, a list", `${SERVICE}    env_file: [a.env, sub/b.env]\n`, "sub/b.env"],
    [
      "env_file, long",
      `${SERVICE}    env_file:\n      - path: web.env\n        required: false\n`,
      "web.env",
    ],
    ["label_file", `${SERVICE}    label_file: web.labels\n`, "web.labels"],
    ["extends", `${SERVICE}    extends:\n      file: sub/base.yml\n      service: base\n`, "sub/base.yml"],
    ["include, short", `include: [sub/more.yml]\n${SERVICE}`, "sub/more.yml"],
    ["include, short, with the .env beside it", `include: [sub/more.yml]\n${SERVICE}`, "sub/.env"],
    ["include, long", `include:\n  - path: [sub/more.yml, sub/over.yml]\n${SERVICE}`, "sub/over.yml"],
    [
      "include with env_file",
      `include:\n  - path: sub/more.yml\n    env_file: sub/more.env\n${SERVICE}`,
      "sub/more.env",
    ],
    [
      "include with project_directory",
      `include:\n  - path: sub/more.yml\n    project_directory: other\n${SERVICE}`,
      "other/.env",
    ],
  ])("%s", (_, compose, path) => {
    write("docker-compose.yml", compose);
    const without = print();
    write(path, "A: 1\n");
    const added = print();
    write(path, "A: 2\n");
    const changed = print();
    rmSync(join(folder, path));
    const removed = print();
    expect(without).toBeString();
    expect(added).toBeString();
    expect(new Set([without, added, changed]).size).toBe(3);
    expect(removed).toBe(without ?? "");
  });

  test("the compose file itself", () => {
    write("docker-compose.yml", SERVICE);
    const before = print();
    write("docker-compose.yml", `${SERVICE}# a comment\n`);
    expect(print()).not.toBe(before ?? "");
  });

  test.each([
    [
      "the env_file of what is included",
      "include: [sub/more.yml]\n",
      "services: {api: {image: a, env_file: api.env}}\n",
      "sub/api.env",
    ],
    [
      "the env_file of what is included, in its project_directory",
      "include: [{path: sub/more.yml, project_directory: other}]\n",
      "services: {api: {image: a, env_file: api.env}}\n",
      "other/api.env",
    ],
    [
      "the env_file of what is extended",
      "services: {web: {extends: {file: sub/more.yml, service: base}}}\n",
      "services: {base: {image: a, env_file: base.env}}\n",
      "sub/base.env",
    ],
    [
      "what the included file includes",
      "include: [sub/more.yml]\n",
      "include: [deeper/most.yml]\n",
      "sub/deeper/most.yml",
    ],
  ])("%s", (_, compose, nested, path) => {
    write("docker-compose.yml", compose);
    write("sub/more.yml", nested);
    const before = print();
    write(path, "A: 1\n");
    expect(before).toBeString();
    expect(print()).not.toBe(before ?? "");
  });
});

test("an absolute path is taken as it is", () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "inputs-test-elsewhere-"));
  write("docker-compose.yml", `${SERVICE}    env_file: ${elsewhere}/web.env\n`);
  const before = print();
  writeFileSync(join(elsewhere, "web.env"), "A=1\n");
  expect(print()).not.toBe(before ?? "");
  rmSync(elsewhere, { recursive: true });
});

test("files that include each other come to an end", () => {
  write("docker-compose.yml", "include: [other.yml]\n");
  write("other.yml", "include: [docker-compose.yml]\n");
  expect(print()).toBeString();
});

test.each([
  ["a variable in the path of an env_file", `${SERVICE}    env_file: \${STAGE}.env\n`],
  ["a variable in an include", "include: ['$WHERE/more.yml']\n"],
  ["a variable in extends", "services: {web: {extends: {file: $BASE, service: base}}}\n"],
  ["a remote include", "include: ['https://example.com/more.yml']\n"],
  ["an include from a registry", "include: ['oci://example.com/more']\n"],
  ["an include from git", "include: ['git@example.com:acme/more.git']\n"],
  ["YAML that cannot be read", "services: [\n"],
  ["YAML that is no compose file", "- a\n- b\n"],
  ["an env_file of an unknown form", `${SERVICE}    env_file: 7\n`],
])("%s: it cannot be told, so nothing may be cached", (_, compose) => {
  write("docker-compose.yml", compose);
  expect(print()).toBeUndefined();
});

test("a folder in the place of .env: it cannot be told", () => {
  write("docker-compose.yml", SERVICE);
  mkdirSync(join(folder, ".env"));
  expect(print()).toBeUndefined();
});

test("more files than it follows: it cannot be told", () => {
  for (let n = 0; n < 101; n += 1) write(`${n}.yml`, `include: [${n + 1}.yml]\n`);
  write("docker-compose.yml", "include: [0.yml]\n");
  expect(print()).toBeUndefined();
});

test("a compose file that is not there is a state like any other", () => {
  const missing = print();
  expect(missing).toBeString();
  write("docker-compose.yml", SERVICE);
  expect(print()).not.toBe(missing ?? "");
});
