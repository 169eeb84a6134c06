import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startLoad } from "../support/load.ts";
import { run } from "../support/run.ts";

const HOST = "shop.example.com";

test("a load over TLS takes the CA and the name it was told, and no other", async () => {
  const [mine, other] = [await newCertificate(), await newCertificate()];
  using server = Bun.serve({ port: 0, tls: mine, fetch: () => page() });
  const failuresOf = async (host: string, ca: string) => {
    const options = { port: server.port ?? 0, host, ca, perSecond: 50, posts: 0, slow: 0 };
    await using load = await startLoad(options);
    await Bun.sleep(300);
    const { sent, reasons } = await load.stop();
    expect(sent).toBeGreaterThan(5);
    return Object.keys(reasons).map((reason) => reason.split(":")[0]);
  };
  expect(await failuresOf(HOST, mine.cert)).toEqual([]);
  expect(await failuresOf("other.example.com", mine.cert)).toEqual(["certificate"]);
  expect(await failuresOf(HOST, other.cert)).toEqual(["certificate"]);
});

function page(): Response {
  return new Response("v1", { headers: { "X-Version": "v1" } });
}

async function newCertificate(): Promise<{ cert: string; key: string }> {
  const folder = mkdtempSync(join(tmpdir(), "dstest-certificate-"));
  try {
    const [cert, key] = [join(folder, "cert"), join(folder, "key")];
    const name = ["-subj", `/CN=${HOST}`, "-addext", `subjectAltName=DNS:${HOST}`];
    await run([
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      key,
      "-out",
      cert,
      ...name,
    ]);
    return { cert: await Bun.file(cert).text(), key: await Bun.file(key).text() };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
