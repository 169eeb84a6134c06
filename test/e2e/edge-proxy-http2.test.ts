import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { EVERYTHING, frontage, startContainer, to } from "../support/edge-scene.ts";
import { freePort } from "../support/free-port.ts";
import { startHaproxyStage } from "../support/haproxy-process.ts";
import { createTestCa } from "../support/test-ca.ts";

const HOST = "shop.example.com";
const PAUSE_MS = 5;

test("HTTP/2 loses no request when routes and containers change", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  using ca = await createTestCa();
  const certs = mkdtempSync(join(tmpdir(), "dstest-certs-"));
  const { certificate, key } = await ca.issue(HOST);
  writeFileSync(join(certs, "shop.pem"), certificate + key);
  const https = freePort();
  await using _old = startContainer(stage, "old");
  await using _new = startContainer(stage, "new");
  const settings = { https, certs };
  await edge.apply(frontage(undefined, { web: [EVERYTHING] }, settings));
  await edge.direct("web", to("old"));

  const asking = new AbortController();
  const answers = keepAsking(https, ca.certificate, asking.signal);
  for (const [path, container] of [
    ["/a", "new"],
    ["/b", "old"],
    ["/c", "new"],
  ] as const) {
    await Bun.sleep(300);
    await edge.apply(frontage(undefined, { web: [EVERYTHING, { host: undefined, path }] }, settings));
    await edge.direct("web", to(container));
  }
  asking.abort();
  const all = await answers;
  expect(all.filter((answer) => answer !== "old" && answer !== "new")).toEqual([]);
  expect(all.length).toBeGreaterThan(100);
  rmSync(certs, { recursive: true });
});

/** As a browser: one connection, and another when the server says that this one ends. @returns what each request brought */
async function keepAsking(port: number, ca: string, signal: AbortSignal): Promise<string[]> {
  const answers: Promise<string>[] = [];
  let session: ClientHttp2Session | undefined;
  while (!signal.aborted) {
    if (session === undefined || session.closed || session.destroyed) {
      const opened = connect(`https://127.0.0.1:${port}`, { ca, servername: HOST });
      opened.on("goaway", () => opened.close());
      opened.on("error", () => opened.close());
      session = opened;
    }
    answers.push(get(session));
    await Bun.sleep(PAUSE_MS);
  }
  const all = await Promise.all(answers);
  session?.close();
  return all;
}

function get(session: ClientHttp2Session): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const stream = session.request({ ":path": "/", ":authority": HOST });
  stream.setEncoding("utf8");
  stream.on("data", (data) => void (text += String(data)));
  stream.on("end", () => resolve(text));
  stream.on("error", (error: Error) => resolve(`${error.name}: ${error.message}`));
  stream.on("close", () => resolve("closed"));
  return promise;
}
