import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeLog } from "../test/fakes/log.ts";
import { fakeStore } from "../test/fakes/store.ts";
import { openAccess, readIssuers, strangeServices } from "./access.ts";
import { checkConfig, type Config } from "./config.ts";
import { forge, newKeyPair, publicPem } from "./tokens/test-keys.ts";

const own = newKeyPair("EdDSA");
const ci = newKeyPair("EdDSA");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "access-"));
  writeFileSync(join(folder, "own.pem"), publicPem(own));
  writeFileSync(join(folder, "ci.pem"), publicPem(ci));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(key: string): void {
  const issuer = `  - name: ci\n    public_key: ${join(folder, key)}\n    rules: [{ deploy: [web] }, { read: [db] }]\n`;
  writeFileSync(join(folder, "rules.yml"), `issuers:\n${issuer}`);
}

function config(rules: Config["rules"] = { file: join(folder, "rules.yml"), isRequired: false }): Config {
  const env = {
    JWT_PUBLIC_KEY_PATH: join(folder, "own.pem"),
    DOCKER_COMPOSE_FILE: "/x.yml",
    DEBUG_MODE: "false",
    REGISTRY_AUTH: "none",
  };
  const checked = checkConfig(env, { uid: 0, home: "/root" });
  if ("problems" in checked) throw new Error(JSON.stringify(checked.problems));
  return { ...checked.config, rules };
}

const tokenOf = (pair: typeof own) =>
  forge(pair, { alg: "EdDSA" }, { iss: "me", exp: Date.now() / 1000 + 60 });
const LOST =
  "the key of JWT_PUBLIC_KEY_PATH is that of no issuer in the rules: tokens signed with it are refused";

test("without rules the key may do everything", async () => {
  const store = fakeStore();
  const verify = openAccess(config(), store, fakeLog());
  expect(await verify(tokenOf(own))).toMatchObject({ issuer: "me", may: [{ deploy: "all" }] });
  await expect(verify(tokenOf(ci))).rejects.toMatchObject({ code: "unauthorized" });
  expect(store.hadRules()).toBe(false);
});

test("with rules it may do what they say, and nothing when they do not name it, which is warned of", async () => {
  const store = fakeStore();
  const log = fakeLog();
  write("ci.pem");
  const verify = openAccess(config(), store, log);
  expect(store.hadRules()).toBe(true);
  expect(await verify(tokenOf(ci))).toMatchObject({ issuer: "ci", may: [{ deploy: new Set(["web"]) }, {}] });
  await expect(verify(tokenOf(own))).rejects.toMatchObject({ code: "unauthorized" });
  expect(log.lines.map(({ message }) => message)).toContain(LOST);

  const other = fakeLog();
  write("own.pem");
  openAccess(config(), store, other);
  expect(other.lines.map(({ message }) => message)).not.toContain(LOST);
});

test("where there were rules once, their absence is not taken for leave", () => {
  const store = fakeStore();
  write("ci.pem");
  openAccess(config(), store, fakeLog());
  rmSync(join(folder, "rules.yml"));
  expect(() => openAccess(config(), store, fakeLog())).toThrow(/had rules.*RULES_FILE=none$/);
  expect(() => openAccess({ ...config(), rules: undefined }, store, fakeLog())).not.toThrow();
});

test("services that the compose file does not have are told, each once", () => {
  write("ci.pem");
  const issuers = readIssuers(config(), fakeLog()) ?? [];
  const services = (...names: string[]) => ({ services: new Map(names.map((name) => [name, {} as never])) });
  expect(strangeServices(issuers, services("web", "db"))).toEqual([]);
  expect(strangeServices(issuers, services("web"))).toEqual([
    `warning: ${join(folder, "rules.yml")}:4: the compose file has no service "db"`,
  ]);
});
