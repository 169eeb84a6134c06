import { connect } from "node:tls";

import { expect, test } from "bun:test";

import { freePort } from "../support/free-port.ts";
import { proxiesOf, failuresOf, routedService } from "../support/routed-service.ts";
import { HOST, startRoutedScene } from "../support/routed-scene.ts";
import { createTestCa } from "../support/test-ca.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 100;
const RENEWED_WITHIN_MS = 15_000;
const SOME_TIME = 2_000;
const DEADLINE = 120_000;

/** Of the certificate that a new visitor is shown. */
function serialOf(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, servername: HOST, ca }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

test(
  "a certificate that is renewed on disk is shown within 15 s, a broken one never: no request over TLS fails, and the proxy stays",
  async () => {
    using ca = await createTestCa();
    const https = freePort();
    const [first, second] = [await ca.issue(HOST), await ca.issue(HOST)];
    await using scene = await startRoutedScene({
      services: (image) => routedService(image),
      edge: `https: ${https}, certs: ./certs`,
      files: { "certs/shop.crt": first.certificate, "certs/shop.key": first.key },
    });
    const { project, daemon } = scene;
    const proxies = await proxiesOf(scene);
    const before = await serialOf(https, ca.certificate);
    await using load = await scene.load({ port: https, ca: ca.certificate, perSecond: PER_SECOND });

    project.writeFile("certs/shop.crt", second.certificate);
    project.writeFile("certs/shop.key", second.key);
    await waitFor(
      "the new certificate to be shown",
      RENEWED_WITHIN_MS,
      async () => (await serialOf(https, ca.certificate)) !== before,
    );
    const renewed = await serialOf(https, ca.certificate);

    project.writeFile("certs/shop.key", first.key);
    await daemon.waitForLog(({ message }) => message.includes("cannot be used; the old one stays"));
    await Bun.sleep(SOME_TIME);
    expect(await serialOf(https, ca.certificate)).toBe(renewed);
    expect(failuresOf(await load.stop())).toEqual([]);
    expect(await proxiesOf(scene)).toEqual(proxies);
  },
  DEADLINE,
);
