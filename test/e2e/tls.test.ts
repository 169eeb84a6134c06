import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate } from "node:crypto";
import { connect } from "node:tls";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { filesIn } from "../support/files.ts";
import { sharedKeys } from "../support/keys.ts";
import { expectVersion } from "../support/observe.ts";
import { remoteCommand } from "../support/remote-command.ts";
import type { Result } from "../support/run.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { createTestCa, type TestCa } from "../support/test-ca.ts";
import { waitFor } from "../support/wait.ts";

const ADDRESS = "127.0.0.1";
const LARGE = 400_000;
const SLOW = { kind: "slow", bytesPerSecond: 80_000 } as const;
const RENEWAL_DEADLINE = 10_000;
const COMMAND_DEADLINE = 60_000;
const RENEWALS = 5;
const CALLERS = 8;

const folder = mkdtempSync(join(tmpdir(), "dstest-tls-"));
const file = (name: string) => join(folder, name);
const cleanup = new AsyncDisposableStack();
let ca: TestCa;
let other: TestCa;
let scene: Scene;
/** Lines of the private keys that the daemon was given. */
const keyLines: string[] = [];

beforeAll(async () => {
  ca = cleanup.use(await createTestCa());
  other = cleanup.use(await createTestCa());
  writeFileSync(file("ca.pem"), ca.certificate);
  writeFileSync(file("other-ca.pem"), other.certificate);
  writeFileSync(file("signing.pem"), sharedKeys().privatePem, { mode: 0o600 });
  await renew();
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        for (const tag of ["v1", "v2"]) await aws.publish("web", tag);
        await aws.publish("web", "slow", { payloadBytes: LARGE });
        const services = ["web", "slow"].map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
      daemon: { env: { TLS_CERT_FILE: file("cert.pem"), TLS_KEY_FILE: file("key.pem") } },
    }),
  );
});

afterAll(async () => {
  await cleanup.disposeAsync();
  rmSync(folder, { recursive: true });
});

/** @returns what callers see of the new one */
async function renew(): Promise<string> {
  const { certificate, key } = await ca.issue(ADDRESS);
  keyLines.push(...key.split("\n").filter((line) => line !== "" && !line.startsWith("-----")));
  writeFileSync(file("cert.pem"), certificate);
  writeFileSync(file("key.pem"), key, { mode: 0o600 });
  return new X509Certificate(certificate).fingerprint256;
}

/** The certificate that a new connection is shown; `""` for one that was lost to a listener that ends. */
async function shown(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = { port: scene.daemon.port, host: ADDRESS, ca: ca.certificate, servername: "" };
  const socket = connect(options, () => resolve(socket.getPeerCertificate().fingerprint256));
  socket.on("error", (error: NodeJS.ErrnoException) =>
    error.code === "ECONNRESET" ? resolve("") : reject(error),
  );
  return await promise.finally(() => socket.destroy());
}

function client(args: readonly string[], url: string, ...more: string[]): Promise<Result> {
  return remoteCommand([...args, "--url", url, "--key", file("signing.pem"), ...more]);
}

test(
  "the daemon speaks HTTPS, says so, and is believed by the authority of its certificate alone",
  async () => {
    const { daemon, aws } = scene;
    const started = await daemon.waitForLog(({ message }) => message === "deployer-service started");
    expect(started.fields?.["address"]).toBe(`https://${ADDRESS}:${daemon.port}`);
    const config = await daemon.request("GET", "/config", {
      headers: { Authorization: `Bearer ${await daemon.token()}` },
    });
    expect(JSON.parse(config.text)).toMatchObject({ tls_cert_file: file("cert.pem") });

    const deploy = ["deploy", "web", "--image", `${aws.repository("web")}:v2`];
    const good = await client(deploy, daemon.url, "--ca", file("ca.pem"));
    expect(good).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("of web: succeeded in") });
    await expectVersion(scene.project, "web", "v2");

    const refusals: [string, string[], string][] = [
      [daemon.url, [], "is from an issuer that is not known here"],
      [daemon.url, ["--ca", file("other-ca.pem")], "is from an issuer that is not known here"],
      [`https://localhost:${daemon.port}`, ["--ca", file("ca.pem")], "is not for the name localhost"],
    ];
    for (const [url, flags, complaint] of refusals) {
      const { exitCode, stderr } = await client(deploy, url, ...flags);
      expect([exitCode, stderr]).toEqual([7, expect.stringContaining(complaint)]);
    }
    const plain = await client(["status"], `http://${ADDRESS}:${daemon.port}`);
    expect([plain.exitCode, plain.stderr]).toEqual([7, expect.stringContaining("does it want https://?")]);
  },
  COMMAND_DEADLINE,
);

test(
  "certificates are renewed under load: every answer that begins is whole, and a lost connection is rare and can be made anew",
  async () => {
    const over = new AbortController();
    const counts = { answers: 0, lost: 0 };
    const callers = Array.from({ length: CALLERS }, async (_, caller) => {
      while (!over.signal.aborted) {
        const request = fetch(`${scene.daemon.url}/version`, {
          tls: { ca: ca.certificate },
          keepalive: caller % 2 === 0,
          signal: AbortSignal.timeout(RENEWAL_DEADLINE),
        });
        try {
          const answer = await request;
          expect([answer.status, await answer.text()]).toEqual([200, expect.stringMatching(/^\S+\n$/)]);
          counts.answers += 1;
        } catch (error) {
          expect(error).toMatchObject({ code: "ECONNRESET" });
          counts.lost += 1;
        }
      }
    });
    for (let n = 0; n < RENEWALS; n += 1) {
      const fingerprint = await renew();
      await waitFor("the new certificate", RENEWAL_DEADLINE, async () => (await shown()) === fingerprint);
    }
    over.abort();
    await Promise.all(callers);
    expect(counts.answers).toBeGreaterThan(500);
    expect(counts.lost).toBeLessThan(RENEWALS);
  },
  COMMAND_DEADLINE,
);

test("files that do not belong together leave the certificate from before in use, and the log says so once", async () => {
  const before = await shown();
  writeFileSync(file("key.pem"), (await ca.issue(ADDRESS)).key);
  const complaints = () =>
    scene.daemon.log().filter(({ message }) => message.startsWith("the certificate cannot be renewed"));
  await waitFor("the complaint", RENEWAL_DEADLINE, () => complaints().length > 0);
  expect(complaints()[0]?.fields?.["problem"]).toBe(
    `TLS_KEY_FILE: ${file("key.pem")} is not the key of the certificate in ${file("cert.pem")}`,
  );
  expect(await shown()).toBe(before);
  const checks = await remoteCommand(["check", "--json"], { RUN_DIR: scene.daemon.env["RUN_DIR"] ?? "" });
  expect(JSON.parse(checks.stdout)).toMatchObject({
    ok: false,
    checks: expect.arrayContaining([
      {
        name: "certificate",
        ok: false,
        detail: expect.stringContaining("is not the key of the certificate"),
      },
    ]),
  });
  const after = await renew();
  await waitFor("the new certificate", RENEWAL_DEADLINE, async () => (await shown()) === after);
  expect(complaints()).toHaveLength(1);
});

test(
  "a stop ends what runs on a listener before the newest one, and tells it how that ended",
  async () => {
    const { daemon, aws } = scene;
    aws.registry.faults.add(SLOW, { on: "blob", minBytes: LARGE });
    const deploy = ["deploy", "slow", "--image", `${aws.repository("web")}:slow`];
    const ended = client(deploy, daemon.url, "--ca", file("ca.pem"));
    await daemon.waitForLog(({ message }) => message === "pull started");
    const fingerprint = await renew();
    await waitFor("the new certificate", RENEWAL_DEADLINE, async () => (await shown()) === fingerprint);
    expect(await daemon.stop()).toBe(0);
    expect(await ended).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining("of slow: succeeded in"),
      stderr: expect.not.stringContaining("went away"),
    });
  },
  COMMAND_DEADLINE,
);

test("no private key of a certificate is in the log, or in a file of the daemon's own", () => {
  const { daemon } = scene;
  expect(keyLines.length).toBeGreaterThan(RENEWALS);
  const places = [
    ["the log", JSON.stringify(daemon.log())],
    ["what is not the log", daemon.noise()],
    ...filesIn(daemon.stateDir).map(({ path, content }) => [path, content]),
  ];
  const leaks = places.filter(([, content = ""]) => keyLines.some((line) => content.includes(line)));
  expect(leaks.map(([place]) => place)).toEqual([]);
});

test("with the key of another certificate the daemon does not start", async () => {
  writeFileSync(file("key.pem"), (await ca.issue(ADDRESS)).key);
  const wrong = await scene.daemon.startAgain().catch((error: unknown) => String(error));
  expect(wrong).toContain("is not the key of the certificate in");
});
