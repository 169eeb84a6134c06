import { expect, test } from "bun:test";
import { existsSync, readlinkSync, rmSync } from "node:fs";

import { checkConfig } from "../../src/config.ts";
import { parseEnvironment } from "./environment-file.ts";
import { COMPOSE, Instance, RELEASE } from "./instance.ts";
import { sha256Sums } from "./releases.ts";
import { readText, scriptOf } from "./workflow.ts";

const KEY = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----";

test("a fresh instance gets docker, compose, the program, the unit, the key and its own settings", async () => {
  await using instance = new Instance();

  const { exitCode, output } = await instance.run(await filledIn());

  expect(output).toContain("deployer: done");
  expect(exitCode).toBe(0);
  expect(instance.read("usr/local/lib/docker/cli-plugins/docker-compose")).toBe(COMPOSE);
  expect(instance.read("opt/deployer-service/deployer")).toBe(RELEASE["deployer-service"]);
  expect(readlinkSync(instance.path("opt/deployer-service/jwt"))).toBe("deployer");
  expect(instance.read("etc/systemd/system/deployer.service")).toBe(RELEASE["deployer-hardened.service"]);
  expect(instance.read("etc/deployer-service/keys/deployer.pub")).toBe(`${KEY}\n`);
  expect(instance.mode("opt/deployer-service/deployer")).toBe(0o755);
  expect(instance.mode("etc/deployer-service/deployer.env")).toBe(0o600);
  const env = parseEnvironment(instance.read("etc/deployer-service/deployer.env"));
  expect(env).toMatchObject({ AWS_REGION: "eu-central-1", ECR_ACCOUNT_ID: "210987654321" });
  expect(checkConfig({ STATE_DIR: "/s", RUN_DIR: "/r", ...env }, { uid: 999, home: "/" })).toHaveProperty(
    "config",
  );
  expect(instance.commands()).toEqual([
    "yum install -y docker",
    "systemctl enable docker",
    "systemctl start docker",
    "id deployer",
    "useradd --system --home-dir /var/lib/deployer-service --no-create-home --shell /sbin/nologin --groups docker deployer",
    "systemctl daemon-reload",
    "systemctl enable deployer",
    "systemctl start deployer",
  ]);
});

test("a second run adds what is missing and leaves alone what is there", async () => {
  await using instance = new Instance();
  await instance.run(await filledIn());
  instance.write("opt/deployer-service/deployer", "an upgraded program");
  instance.write("etc/deployer-service/deployer.env", "MINE=1\n");
  instance.write("etc/systemd/system/deployer.service", "my unit");
  instance.write("etc/deployer-service/keys/deployer.pub", "my key");
  rmSync(instance.path("usr/local/lib/docker/cli-plugins/docker-compose"));
  const downloads = instance.downloads.length;

  // The placeholder does no harm once a key is there.
  const { exitCode } = await instance.run((await filledIn()).replace(KEY, "REPLACE_WITH_YOUR_PUBLIC_KEY"));

  expect(exitCode).toBe(0);
  expect(instance.read("opt/deployer-service/deployer")).toBe("an upgraded program");
  expect(instance.read("etc/deployer-service/deployer.env")).toBe("MINE=1\n");
  expect(instance.read("etc/systemd/system/deployer.service")).toBe("my unit");
  expect(instance.read("etc/deployer-service/keys/deployer.pub")).toBe("my key");
  expect(instance.downloads.slice(downloads).map((path) => path.split("/").at(-1))).toEqual([
    "docker-compose-linux-x86_64",
  ]);
});

test("on Graviton the ARM programs are taken", async () => {
  await using instance = new Instance();
  instance.command("uname", "echo aarch64");

  expect((await instance.run(await filledIn())).exitCode).toBe(0);

  expect(instance.read("opt/deployer-service/deployer")).toBe(RELEASE["deployer-service-linux-arm64"]);
  expect(instance.downloads).toContainEqual(expect.stringMatching(/docker-compose-linux-aarch64$/));
});

test("a wrong checksum installs nothing of it", async () => {
  await using instance = new Instance();

  const compose = await instance.run((await filledIn()).replaceAll(composeSum(), "0".repeat(64)));
  expect(compose.output).toContain("the checksum of the compose plugin is wrong");
  expect(compose.exitCode).toBe(1);
  expect(existsSync(instance.path("usr/local/lib/docker/cli-plugins/docker-compose"))).toBe(false);

  instance.sums = sha256Sums({ ...RELEASE, "deployer-service": "something else" });
  const program = await instance.run(await filledIn());
  expect(program.output).toContain("the checksum of deployer-service is wrong");
  expect(program.exitCode).toBe(1);
  expect(existsSync(instance.path("opt/deployer-service/deployer"))).toBe(false);
});

test("values that are still missing are named before anything is installed", async () => {
  await using instance = new Instance();

  const noKey = await instance.run(await released());
  const nowhere = await instance.run(await readText("aws/user_data.sh"));

  expect([noKey, nowhere]).toEqual([
    { exitCode: 1, output: "deployer: public_key is still the placeholder\n" },
    { exitCode: 1, output: "deployer: repository is not set\n" },
  ]);
  expect(instance.commands()).toEqual([]);
});

test("the release workflow writes the repository into upgrade.sh and user_data.sh", async () => {
  expect(await released()).toContain('\nrepository="owner/name" #');
  expect(await stamped("bin/upgrade.sh")).toContain('\nrepository="owner/name"\n');
});

/** user_data.sh as a release has it. */
function released(): Promise<string> {
  return stamped("aws/user_data.sh");
}

/** The same with an operator's values, and with the stand-in's Compose plugin. */
async function filledIn(): Promise<string> {
  return (await released())
    .replace(/-----BEGIN[^]*KEY-----\n/, `${KEY}\n`)
    .replaceAll(/^(compose_sha256_\w+)="[0-9a-f]{64}"$/gm, `$1="${composeSum()}"`);
}

async function stamped(path: string): Promise<string> {
  const name = path.split("/").at(-1) ?? "";
  const script = await scriptOf(".github/workflows/release.yml", "Scripts and units");
  const substitution = script
    .split("\n")
    .find((line) => line.startsWith("sed") && line.endsWith(`release/${name}`));
  const sed = (substitution ?? "exit 1").replace("sed -i", "sed").replace(`release/${name}`, "");
  return Bun.spawnSync(["bash", "-c", sed], {
    env: { PATH: process.env["PATH"], GITHUB_REPOSITORY: "owner/name" },
    stdin: Buffer.from(await readText(path)),
  }).stdout.toString();
}

function composeSum(): string {
  return sha256Sums({ compose: COMPOSE }).slice(0, 64);
}
