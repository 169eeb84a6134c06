import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { refusedStart, startAlone } from "../contract/refused-start.ts";
import type { Daemon } from "../support/daemon.ts";
import { type KeyPair, newKeys, sharedKeys, signToken } from "../support/keys.ts";
import { attempt, BASE_ENV } from "../support/run.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const CHANGE_DEADLINE = 10_000;
const DEFAULT_FILE = "/etc/deployer-service/rules.yml";

let folder = "";
const ci = newKeys();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dstest-rules-"));
  writeFileSync(join(folder, "ci.pem"), ci.publicPem);
  writeFileSync(join(folder, "private.pem"), ci.privatePem);
  writeFileSync(join(folder, "own.pem"), sharedKeys().publicPem);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function keyRules(key = "ci.pem", name = "ci"): string {
  return `issuers:\n  - name: ${name}\n    public_key: ${join(folder, key)}\n    rules: [{ deploy: [web], read: [web] }]\n`;
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function config(daemon: Daemon, keys: KeyPair): Promise<number> {
  const headers = { Authorization: `Bearer ${await signToken(keys)}` };
  return (await daemon.request("GET", "/config", { headers })).status;
}

const WRONG = `issuers:
  - name: github
    issuer: https://token.actions.githubusercontent.com
    audience: https://deploy.example.com
    rules:
      - repository: acme/shop
        repository_id: 123
        repository_owner_id: "456"
        ref: main
        colour: red
        deploy: [web]
  - name: ci
    public_key: PRIVATE
    rules: [{ logs: true }]
  - name: two
    public_key: PRIVATE
    rules: [{ deploy: [web] }]
`;
const COMPLAINTS = [
  /:7: issuers\[1\]\.rules\[1\]\.repository_id: must be a text: write it in quotes, "123"$/,
  /:9: issuers\[1\]\.rules\[1\]\.ref: must be a whole ref, such as "refs\/heads\/main"/,
  /:10: issuers\[1\]\.rules\[1\]\.colour: is not known here: remove it, or correct its name$/,
  /:14: issuers\[2\]\.rules\[1\]: lets nobody do anything: name services under deploy, rollback or read$/,
  /:16: issuers\[3\]\.public_key: \S+private.pem: it holds a private key; give the public one/,
];

test("rules that are wrong in many ways keep the daemon from starting, each named with its line", async () => {
  const path = write("wrong.yml", WRONG.replaceAll("PRIVATE", join(folder, "private.pem")));
  const lines = (await refusedStart({ env: { RULES_FILE: path } })).split("\n");
  expect(lines).toEqual(COMPLAINTS.map((complaint) => expect.stringMatching(complaint) as string));
  for (const line of lines) expect(line).toStartWith(`${path}:`);
});

test("check says the same, and what services of the rules the compose file does not have", async () => {
  const env = {
    ...BASE_ENV,
    HOME: folder,
    STATE_DIR: join(folder, "state"),
    DEBUG_MODE: "false",
    REGISTRY_AUTH: "none",
    DOCKER_COMPOSE_FILE: write("docker-compose.yml", "services:\n  web:\n    image: web\n"),
    DOCKER_HOST: "unix:///nonexistent/docker.sock",
  };
  const check = async (rules: string) => {
    const args = [stage().binary, "check", "--here", "--json"];
    const { stdout } = await attempt(args, { env: { ...env, RULES_FILE: rules }, cwd: folder });
    const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean; detail: string }[] };
    const [found, keys] = ["rules", "identity keys"].map((wanted) =>
      checks.find(({ name }) => name === wanted),
    );
    // Its remedy is for an issuer that cannot be reached.
    expect(keys?.ok).toBe(true);
    return found;
  };
  const wrong = await check(write("wrong.yml", WRONG.replaceAll("PRIVATE", join(folder, "private.pem"))));
  expect(wrong?.ok).toBe(false);
  for (const complaint of COMPLAINTS)
    expect(wrong?.detail.split("\n")).toContainEqual(expect.stringMatching(complaint));
  expect(wrong?.detail).toContain("correct the file");

  const strange = await check(
    write("strange.yml", keyRules().replace("deploy: [web]", "deploy: [web, shop]")),
  );
  expect([strange?.ok, strange?.detail]).toEqual([
    true,
    expect.stringMatching(
      /^issuers ci\nwarning: \S+strange\.yml:4: the compose file has no service "shop"$/,
    ) as string,
  ]);
});

test("a file that RULES_FILE names has to be there", async () => {
  const path = join(folder, "none.yml");
  expect(await refusedStart({ env: { RULES_FILE: path } })).toBe(
    `${path}: there is no such file: write it, or correct RULES_FILE`,
  );
});

test("with rules only the keys of their issuers count, and JWT_PUBLIC_KEY_PATH need not be set", async () => {
  const path = write("keys.yml", keyRules());
  await using daemon = await startAlone({ env: { RULES_FILE: path } });
  expect([await config(daemon, ci), await config(daemon, sharedKeys())]).toEqual([200, 401]);
  expect(daemon.log()).toContainEqual(
    expect.objectContaining({
      level: "warn",
      message:
        "the key of JWT_PUBLIC_KEY_PATH is that of no issuer in the rules: tokens signed with it are refused",
    }),
  );

  writeFileSync(path, keyRules("own.pem"));
  await waitFor("the new rules", CHANGE_DEADLINE, async () => (await config(daemon, sharedKeys())) === 200);
  expect(await config(daemon, ci)).toBe(401);

  await using keyless = await startAlone({ env: { RULES_FILE: path, JWT_PUBLIC_KEY_PATH: "" } });
  expect([await config(keyless, sharedKeys()), await config(keyless, ci)]).toEqual([200, 401]);
});

test("rules that are gone or broken while the daemon runs stay, which is said once; the next start is refused", async () => {
  const path = write("gone.yml", keyRules());
  await using daemon = await startAlone({ env: { RULES_FILE: path } });
  for (const harm of [() => writeFileSync(path, "issuers: ["), () => rmSync(path)]) {
    const before = daemon.log().length;
    harm();
    const isSaid = () =>
      daemon
        .log()
        .slice(before)
        .filter(({ message }) => message.startsWith("the rules cannot"));
    await waitFor("the complaint", CHANGE_DEADLINE, async () => {
      expect([await config(daemon, ci), await config(daemon, sharedKeys())]).toEqual([200, 401]);
      return isSaid().length > 0;
    });
    expect(isSaid()).toMatchObject([
      { level: "error", message: "the rules cannot be used; those from before stay" },
    ]);
  }
  expect(await daemon.stop()).toBe(0);
  const again = daemon.startAgain();
  await expect(again).rejects.toThrow(`${path}: there is no such file`);
});

test("a daemon that had rules does not go on without them but on purpose", async () => {
  const path = write("had.yml", keyRules());
  await using daemon = await startAlone({ env: { RULES_FILE: path } });
  expect(await daemon.stop()).toBe(0);
  {
    await using onPurpose = await daemon.startAgain({ RULES_FILE: "none" });
    expect([await config(onPurpose, ci), await config(onPurpose, sharedKeys())]).toEqual([401, 200]);
    expect(await onPurpose.stop("SIGTERM")).toBe(0);
    const silently = onPurpose.startAgain({ RULES_FILE: "" });
    await expect(silently).rejects.toThrow(
      `${DEFAULT_FILE}: there is no such file, but this daemon had rules`,
    );
  }
});

test("a daemon that never had rules takes the key of JWT_PUBLIC_KEY_PATH for everything", async () => {
  await using daemon = await startAlone({ env: { RULES_FILE: "" } });
  expect(await config(daemon, sharedKeys())).toBe(200);
  expect(await daemon.stop()).toBe(0);
  await using again = await daemon.startAgain();
  expect(await config(again, sharedKeys())).toBe(200);
});
