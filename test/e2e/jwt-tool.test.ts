import { statSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { startJwtWorld } from "../contract/jwt-world.ts";
import { startAlone } from "../contract/refused-start.ts";
import { bash } from "../contract/shell.ts";
import { attempt, BASE_ENV } from "../support/run.ts";
import { stage } from "../support/stage.ts";

test.each(["rsa", "ec", "ed25519"])(
  "keygen --type %s makes a pair of which the daemon accepts the one half and GitHub's secret signs with the other",
  async (type) => {
    using world = await startJwtWorld();
    const made = await world.jwt(["keygen", "--type", type, "--out", "new"]);
    expect(made.exitCode).toBe(0);
    expect(made.stdout).toMatch(/^[\w+/]+=*\n$/);
    const privateKey = join(world.dir, "new/private.pem");
    expect(statSync(privateKey).mode & 0o777).toBe(0o600);
    const signed = await world.jwt(["sign", "--key", "nofile.pem"], {
      DEPLOY_SIGNING_KEY_B64: made.stdout.trim(),
    });
    expect(signed.stderr).toBe("");
    await using daemon = await startAlone({
      env: { JWT_PUBLIC_KEY_PATH: join(world.dir, "new/public.pem") },
    });
    const headers = { Authorization: `Bearer ${signed.stdout.trim()}` };
    expect((await daemon.request("GET", "/config", { headers })).status).toBe(200);
  },
);

test("it is the jwt tool by any path whose last name is jwt, and as a command of deployer-service", async () => {
  using world = await startJwtWorld();
  const { stdout: version } = await world.jwt(["version"]);
  for (const script of ["jwt version", "./jwt version", '"$PWD/jwt" version', "$PROGRAM jwt version"]) {
    const result = await bash(script, { dir: world.dir, bin: world.dir, env: { PROGRAM: stage().binary } });
    expect([script, result]).toEqual([script, { exitCode: 0, stdout: version, stderr: "" }]);
  }
  const asDaemon = await attempt([stage().binary, "sign"], { env: BASE_ENV });
  expect(asDaemon.exitCode).toBe(2);
});

test("flags work with one dash and two, with = and without, as Go's flag package has them", async () => {
  using world = await startJwtWorld();
  for (const args of [
    ["-key", "private.pem", "-iss", "ci", "-exp", "60"],
    ["--key=private.pem", "--iss=ci", "--exp=60"],
    ["-key=private.pem", "--iss", "nobody", "-iss", "ci", "-exp=60"],
  ]) {
    const { stdout } = await world.jwt(["sign", ...args]);
    const claims = JSON.parse(Buffer.from(stdout.split(".")[1] ?? "", "base64url").toString()) as unknown;
    expect(claims).toEqual({ exp: expect.any(Number), iss: "ci" });
  }
});

test("what the daemon would refuse is said when a token is verified", async () => {
  using world = await startJwtWorld();
  const { stdout } = await world.jwt(["sign", "--exp", "7200"]);
  const verified = await world.jwt(["verify", "--token", stdout.trim()]);
  expect(verified.exitCode).toBe(0);
  expect(verified.stderr).toStartWith("note: deployer-service refuses this token: ");
});

test("no failure prints a key", async () => {
  using world = await startJwtWorld();
  const pem = await Bun.file(join(world.dir, "private.pem")).text();
  const damaged = Buffer.from(pem.replace("PRIVATE", "PRIVAT")).toString("base64");
  for (const [args, env] of [
    [["sign", "--key-env", "FOO"], { FOO: damaged }],
    [["sign", "--key-env", "FOO"], { FOO: pem }],
    [["sign", "--key", "public.pem"], {}],
    [["verify", "--key", "private.pem", "--token", "a.b.c"], {}],
  ] as const) {
    const result = await world.jwt(args, env);
    expect(result.exitCode).toBe(1);
    for (const line of [...pem.split("\n").slice(1, -2), damaged.slice(100, 150)]) {
      expect((result.stdout + result.stderr).includes(line)).toBe(false);
    }
  }
});
