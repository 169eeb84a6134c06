import { expect, test } from "bun:test";

import type { Frontage, Traffic } from "../../src/core/edge.ts";
import { startEdgeApp } from "../support/edge-app.ts";
import { freePort } from "../support/free-port.ts";
import { startHaproxyStage } from "../support/haproxy-process.ts";
import { startLoad } from "../support/load.ts";

const PER_SECOND = 200;
const PORT = 3000;

test("what the proxy counts is what was sent, across a reload, another container and another proxy", async () => {
  await using stage = await startHaproxyStage();
  const port = freePort();
  const app = (container: string) =>
    startEdgeApp({ address: stage.address(container), port: PORT, version: container });
  await using _old = app("old");
  await using _next = app("new");
  await stage.edge.apply(frontage(port, ["/"]));
  await stage.edge.direct("web", { serving: [{ container: "old", port: PORT }], standby: [] });

  const measurement = await stage.edge.measure(["web", "nobody"]);
  await using load = await startLoad({ port, perSecond: PER_SECOND, service: "web" });
  await Bun.sleep(700);
  await stage.edge.apply(frontage(port, ["/", "/more"]));
  await Bun.sleep(700);
  await stage.edge.direct("web", { serving: [{ container: "new", port: PORT }], standby: [] });
  await stage.edge.apply(frontage(port, ["/", "/more"], "another"));
  await Bun.sleep(700);
  const { sent, failures } = await load.stop();
  const traffic = await measurement.stop();

  expect(failures).toEqual([]);
  expect([...traffic.keys()]).toEqual(["web"]);
  expect(traffic.get("web")).toMatchObject({ requests: sent, failed: 0, held: 0, refused: 0 });
  expect(traffic.get("web")?.latency?.max).toBeGreaterThanOrEqual(
    traffic.get("web")?.latency?.p99 ?? Infinity,
  );
});

test("requests that were held are told, and how long they waited counts", async () => {
  await using stage = await startHaproxyStage();
  const port = freePort();
  await using _ = startEdgeApp({ address: stage.address("one"), port: PORT, version: "one" });
  await stage.edge.apply(frontage(port, ["/"]));
  await stage.edge.direct("web", { serving: [{ container: "one", port: PORT }], standby: [] });
  const measurement = await stage.edge.measure(["web"]);
  await stage.edge.hold("web", { ms: 10_000, max: 1 });
  const held = fetch(`http://127.0.0.1:${port}`);
  await Bun.sleep(400);
  expect((await fetch(`http://127.0.0.1:${port}`)).status).toBe(503);
  await stage.edge.release("web");
  expect((await held).status).toBe(200);
  const traffic = (await measurement.stop()).get("web");
  expect(traffic).toMatchObject({ requests: 2, failed: 1, held: 1, refused: 1 });
  expect(traffic?.latency?.max).toBeGreaterThan(350);
});

test("an answer that was cut, and one that the proxy gave, are failed; a visitor who left is not", async () => {
  await using stage = await startHaproxyStage();
  const port = freePort();
  const slow = startEdgeApp({ address: stage.address("slow"), port: PORT, version: "slow" });
  await stage.edge.apply(frontage(port, ["/"]));
  await stage.edge.direct("web", { serving: [{ container: "slow", port: PORT }], standby: [] });
  const url = `http://127.0.0.1:${port}`;

  const measurement = await stage.edge.measure(["web"]);
  await fetch(url);
  await fetch(`${url}/slow?ms=400`, { signal: AbortSignal.timeout(200) }).catch(() => undefined);
  await Bun.sleep(400);
  const cut = fetch(`${url}/slow?ms=3000`).catch(() => undefined);
  await Bun.sleep(200);
  await slow.kill();
  await cut;
  expect((await fetch(url)).status).toBe(503);
  const traffic = (await measurement.stop()).get("web");
  expect(traffic satisfies Traffic | undefined).toMatchObject({ requests: 4, failed: 2 });
});

function frontage(http: number, paths: string[], image?: string): Frontage {
  return {
    project: "shop",
    settings: {
      http,
      https: undefined,
      certs: undefined,
      challenges: undefined,
      image,
      webhook: undefined,
    },
    routes: new Map([["web", paths.map((path) => ({ host: undefined, path }))]]),
    resendAll: new Set(),
  };
}
