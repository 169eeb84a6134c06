import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { freePort } from "../support/free-port.ts";
import type { Load } from "../support/load.ts";
import { type Life, lives } from "../support/observe.ts";
import { HOST, type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { deployTo, failuresOf, proxiesOf, routedService } from "../support/routed-service.ts";
import { createTestCa } from "../support/test-ca.ts";

const PER_SECOND = 100;
const OTHER = "other.example.com";

let scene: RoutedScene;
let load: Load;
let file: string;
let proxies: string[];
let containers: Life[];
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  scene = cleanup.use(
    await startRoutedScene({
      // Nothing is asked of the first one but that it stays up, so nobody but the edge notices a wrong port.
      services: (image) =>
        routedService(image, { settings: { health: "" } }) +
        routedService(image, { name: "other", host: OTHER }),
    }),
  );
  file = readFileSync(scene.project.file, "utf8");
  proxies = await proxiesOf(scene);
  containers = await lives(scene.project);
  load = cleanup.use(await scene.load({ perSecond: PER_SECOND }));
});

/** Whatever was refused: proxy and containers are the very same ones. */
afterEach(async () => {
  expect(await proxiesOf(scene)).toEqual(proxies);
  expect(await lives(scene.project)).toEqual(containers);
  scene.project.write(file);
});

afterAll(() => cleanup.disposeAsync());

/** The compose file with one thing changed, and what a deployment says of it. */
async function refused(before: string, after: string, image?: string): Promise<string> {
  const edited = file.replace(before, after);
  expect(edited).not.toBe(file);
  scene.project.write(edited);
  const { reply, record } = await deployTo(scene, image);
  expect([reply.status, record.status, record.changed]).toEqual([
    500,
    image === undefined ? "failed" : "rolled_back",
    false,
  ]);
  expect(reply.text).toContain(record.reason);
  return record.reason;
}

/** Of the compose file as it was written. */
function lineOf(text: string, from = 0): number {
  const index = file.indexOf(text, from);
  expect(index).toBeGreaterThan(-1);
  return file.slice(0, index).split("\n").length;
}

test("two services with one route: both are named, each with its line", async () => {
  const reason = await refused(OTHER, HOST);
  const [one, two] = [lineOf(`route: { host: ${HOST} }`), lineOf(`route: { host: ${OTHER} }`)];
  const why = (other: string) => `${HOST}/ is the route of service "${other}" too: keep one of them`;
  expect(reason).toContain(`docker-compose.yml:${one}: service "web": x-deployer.route: ${why("other")}`);
  expect(reason).toContain(`docker-compose.yml:${two}: service "other": x-deployer.route: ${why("web")}`);
});

test("a port of the edge that something else has: named with its line, and whose it is", async () => {
  const taken = freePort();
  using _holder = Bun.listen({ hostname: "127.0.0.1", port: taken, socket: { data() {} } });
  const reason = await refused(`http: ${scene.port}`, `http: ${taken}`);
  expect(reason).toStartWith(
    `docker-compose.yml:${lineOf("edge:")}: x-deployer.edge.http: port ${taken} of this host is taken by another program`,
  );
});

test("a HAProxy image that is nowhere: named with its line", async () => {
  const reason = await refused("haproxy:3.0", "haproxy:9.9");
  expect(reason).toMatch(
    new RegExp(
      `^docker-compose.yml:${lineOf("edge:")}: x-deployer.edge.image: \\S+haproxy:9.9 cannot be used`,
    ),
  );
});

test("a certificate without its key: the file is named, and what to do", async () => {
  using ca = await createTestCa();
  scene.project.writeFile("certs/shop.crt", (await ca.issue(HOST)).certificate);
  const reason = await refused(
    `http: ${scene.port}`,
    `http: ${scene.port}, https: ${freePort()}, certs: ./certs`,
  );
  expect(reason).toStartWith(
    `docker-compose.yml:${lineOf("edge:")}: ${scene.project.dir}/certs/shop.crt is a certificate without its key: put the key into it`,
  );
});

test("a port nobody listens on: the candidate goes, and the reason names x-deployer.port", async () => {
  const reason = await refused("port: 8080", "port: 9999", await scene.publish("v2"));
  expect(reason).toStartWith(`docker-compose.yml:${lineOf("port: 8080")}: the edge cannot reach container `);
  expect(reason).toMatch(
    /the edge cannot reach container \w+ of service "web" on port 9999 \(.*\): .* see x-deployer\.port\n/,
  );
});

test("the requests of all that time: none failed", async () => {
  const result = await load.stop();
  expect(failuresOf(result)).toEqual([]);
  expect(Object.keys(result.versions)).toEqual(["v1"]);
});
