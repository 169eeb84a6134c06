import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";

import { outcomeOf } from "../../test/fakes/deployment.ts";
import { createTestCa, type TestCa } from "../../test/support/test-ca.ts";
import { waitFor } from "../../test/support/wait.ts";
import { openCertificateStore } from "./certificate-store.ts";
import { AUTHORIZED, fakeDaemon } from "./fake-daemon.ts";
import { serve, type Server } from "./serve.ts";

const RENEWED_WITHIN_MS = 10_000;
const ADDRESS = "127.0.0.1";

const folder = mkdtempSync(join(tmpdir(), "secure-listener-test-"));
const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
let ca: TestCa;
let server: Server | undefined;
beforeAll(async () => {
  ca = await createTestCa();
});
beforeEach(async () => void (await renew()));
afterEach(async () => {
  await server?.stop(0);
  server = undefined;
});
afterAll(() => {
  ca[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** @returns what its callers see of the new one */
async function renew(): Promise<string> {
  const { certificate, key } = await ca.issue(ADDRESS);
  writeFileSync(files.certFile, certificate);
  writeFileSync(files.keyFile, key, { mode: 0o600 });
  return new X509Certificate(certificate).fingerprint256;
}

function start(changes: Parameters<typeof fakeDaemon>[0] = {}, port = 0) {
  const fake = fakeDaemon(changes);
  const certificates = openCertificateStore({ ...files, log: fake.daemon.log });
  server = serve(fake.daemon, { port, bindAddress: ADDRESS, certificates });
  return { ...fake, server };
}

/** The certificate that a new connection is shown. */
async function shown(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({ port, host: ADDRESS, ca: ca.certificate, servername: "" }, () =>
    resolve(socket.getPeerCertificate().fingerprint256),
  );
  socket.on("error", reject);
  return await promise.finally(() => socket.destroy());
}

const get = (url: string, init: BunFetchRequestInit = {}) =>
  fetch(url, { tls: { ca: ca.certificate }, ...init });

test("it speaks HTTPS, and nothing else, on its port", async () => {
  const { server } = start();
  expect(server.url).toBe(`https://${ADDRESS}:${server.port}`);
  expect(await (await get(`${server.url}/version`)).text()).toBe("v1.2.3\n");
  await expect(get(`${server.url}/version`, { tls: {} })).rejects.toMatchObject({
    code: expect.stringMatching(/VERIFY|SELF_SIGNED|ISSUER/),
  });
  await expect(fetch(`http://${ADDRESS}:${server.port}/version`)).rejects.toThrow();
});

test("a renewed certificate is shown within seconds, and what runs on the old one goes on", async () => {
  const { server, endDeployment, deployments, lines } = start({ outcome: undefined });
  const before = await shown(server.port);
  const reply = get(`${server.url}/deploy`, {
    method: "POST",
    headers: AUTHORIZED,
    body: '{"service":"web"}',
  });
  await waitFor("the request", RENEWED_WITHIN_MS, () => deployments.size === 1);
  const after = await renew();
  expect(after).not.toBe(before);
  await waitFor("the new certificate", RENEWED_WITHIN_MS, async () => (await shown(server.port)) === after);
  endDeployment(outcomeOf("succeeded"));
  expect(await (await reply).text()).toBe("deploy request successful for service web\n");
  expect(lines.filter(({ message }) => message === "certificate loaded")).toHaveLength(2);
}, 20_000);

test("files that do not match leave the old certificate in use", async () => {
  const { server, lines } = start();
  const before = await shown(server.port);
  writeFileSync(files.keyFile, (await ca.issue(ADDRESS)).key);
  await waitFor("the complaint", RENEWED_WITHIN_MS, () => lines.some(({ level }) => level === "error"));
  expect(await shown(server.port)).toBe(before);
}, 20_000);

test("a stop ends what the listeners before had left, and frees the port", async () => {
  const { server, deployments } = start({ outcome: undefined });
  const post = () =>
    get(`${server.url}/deploy`, { method: "POST", headers: AUTHORIZED, body: '{"service":"web"}' }).then(
      () => "answered",
      () => "cut",
    );
  const first = post();
  await waitFor("the request", RENEWED_WITHIN_MS, () => deployments.size === 1);
  const after = await renew();
  await waitFor("the new certificate", RENEWED_WITHIN_MS, async () => (await shown(server.port)) === after);
  const second = post();
  await waitFor("the request", RENEWED_WITHIN_MS, () => deployments.size === 2);
  await server.stop(100);
  expect(await Promise.all([first, second])).toEqual(["cut", "cut"]);
  await expect(shown(server.port)).rejects.toThrow("ECONNREFUSED");
  start({}, server.port);
}, 20_000);

test("a port that is taken is told, whoever has it", () => {
  const { server } = start();
  const error = {
    code: "config",
    message: `cannot listen on ${ADDRESS}:${server.port}: the port is already in use`,
  };
  expect(() => start({}, server.port)).toThrow(expect.objectContaining(error));
  const { daemon } = fakeDaemon();
  expect(() => serve(daemon, { port: server.port, bindAddress: ADDRESS })).toThrow(
    expect.objectContaining(error),
  );
});

/** The moment between, made long. */
test("of daemons that start in the same instant exactly one gets the port", async () => {
  const free = Bun.listen({ hostname: ADDRESS, port: 0, socket: { data() {} } });
  const { port } = free;
  free.stop(true);
  const script = `
    const { takeSharedPort } = await import(${JSON.stringify(join(import.meta.dir, "port.ts"))});
    await Bun.sleep(${Date.now() + 1_500} - Date.now());
    try {
      takeSharedPort(${port}, (port, { reusePort }) => {
        if (reusePort) Bun.sleepSync(200);
        return Bun.serve({ hostname: "${ADDRESS}", port, reusePort, development: false, fetch: () => new Response() });
      });
      console.log("got it");
      await Bun.sleep(3_000);
    } catch { console.log("taken"); }
    process.exit(0);`;
  const starters = Array.from({ length: 6 }, () => Bun.spawn([process.execPath, "-e", script]));
  const said = await Promise.all(starters.map(async ({ stdout }) => (await stdout.text()).trim()));
  expect(said.toSorted()).toEqual(["got it", ...Array.from({ length: 5 }, () => "taken")]);
}, 20_000);
