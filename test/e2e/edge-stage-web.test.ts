import { afterAll, expect, test } from "bun:test";

import { freePort } from "../support/free-port.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";
import { publishWeb, type WebImage } from "../support/web-image.ts";

const SERVE_DEADLINE = 20_000;
const END_DEADLINE = 20_000;

const { docker, registry } = stage();
const namespace = `t${crypto.randomUUID().slice(0, 8)}`;
const containers: string[] = [];

afterAll(() => docker.tryDocker("rm", "--force", "--volumes", ...containers));

test("a version is a small layer on what all versions share, also in another repository", async () => {
  const first = await publishWeb(registry, { repository: `${namespace}/a`, tag: "v1", version: "v1" });
  const second = await publishWeb(registry, { repository: `${namespace}/b`, tag: "v2", version: "v2" });
  const layersOf = async (reference: string) => {
    await docker.docker("pull", "--quiet", reference);
    const { stdout } = await docker.docker("inspect", "--format", "{{json .RootFS.Layers}}", reference);
    return JSON.parse(stdout) as string[];
  };
  const [one, two] = [await layersOf(first.reference), await layersOf(second.reference)];
  expect(one).toHaveLength(3);
  expect(two.slice(0, 2)).toEqual(one.slice(0, 2));
  expect(two[2]).not.toBe(one[2]);
});

test("it answers with its version and name, hashes bodies, and shows what it was asked", async () => {
  const { url } = await runWeb({ version: "v1", name: "shop" });
  const page = await fetch(`${url}/any/path`);
  expect(await page.text()).toBe("v1");
  expect([page.headers.get("x-version"), page.headers.get("x-service")]).toEqual(["v1", "shop"]);
  const echo = await fetch(`${url}/echo`, { method: "POST", body: "hello" });
  const sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
  expect(await echo.json()).toEqual({ sha256, length: 5 });
  const headers = await (await fetch(`${url}/headers`, { headers: { "X-Asked": "yes" } })).json();
  expect(headers).toMatchObject({ "x-asked": "yes" });
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const started = performance.now();
  expect(await (await fetch(`${url}/slow?ms=300`)).text()).toBe("v1");
  expect(performance.now() - started).toBeGreaterThanOrEqual(299);
});

test("on SIGTERM it finishes what it has begun, says bye to streams, closes WebSockets, and ends with 0", async () => {
  const { url, container } = await runWeb({ version: "v1" });
  const events = (await fetch(`${url}/events`)).text();
  const socket = new WebSocket(`${url.replace("http", "ws")}/socket`);
  const echoed = new Promise((resolve) =>
    socket.addEventListener("message", ({ data }) => resolve(String(data))),
  );
  const closed = new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  socket.send("hello");
  expect(await echoed).toBe("v1 hello");
  const slow = fetch(`${url}/slow?ms=1500`);
  await Bun.sleep(200);
  await docker.docker("kill", "--signal=TERM", container);
  expect(await closed).toBe(1001);
  expect(await isRefused(url)).toBe(true);
  expect(await (await slow).text()).toBe("v1");
  expect(await events).toMatch(/^data: v1\n\n(data: tick\n\n)*data: bye\n\n$/);
  expect(await exitCode(container)).toBe(0);
});

test("a version can crash after some requests or some time, never be healthy or not for long, and take all memory", async () => {
  const [counting, timed, sick, sickening, greedy] = await Promise.all([
    runWeb({ version: "v1", crashAfterRequests: 3 }),
    runWeb({ version: "v2", crashAfterMs: 100 }, "no wait"),
    runWeb({ version: "v3", neverHealthy: true }),
    runWeb({ version: "v5", unhealthyAfterRequests: 2 }),
    runWeb({ version: "v4", allocateAfterMs: 1 }, "no wait"),
  ]);
  for (let count = 1; count <= 3; count += 1)
    expect(await (await fetch(counting.url, { keepalive: false })).text()).toBe("v1");
  expect(await exitCode(counting.container)).toBe(1);
  expect(await exitCode(timed.container)).toBe(1);
  expect((await fetch(`${sick.url}/health`)).status).toBe(503);
  expect(await (await fetch(sick.url)).text()).toBe("v3");
  for (const status of [200, 200, 503]) {
    expect((await fetch(`${sickening.url}/health`)).status).toBe(status);
    expect(await (await fetch(sickening.url)).text()).toBe("v5");
  }
  expect(await exitCode(greedy.container)).toBe(137);
});

type Running = { url: string; container: string };

async function runWeb(image: Omit<WebImage, "repository" | "tag">, wait?: "no wait"): Promise<Running> {
  const tag = crypto.randomUUID();
  const { reference } = await publishWeb(registry, { repository: `${namespace}/web`, tag, ...image });
  const port = freePort();
  const container = `web-${tag}`;
  containers.push(container);
  const options = [`--name=${container}`, `--publish=127.0.0.1:${port}:8080`, "--memory=200m"];
  await docker.docker("run", "--detach", ...options, reference);
  const url = `http://127.0.0.1:${port}`;
  const serves = async () => (await fetch(`${url}/health`).catch(() => undefined)) !== undefined;
  if (wait === undefined) await waitFor(`${image.version} to serve`, SERVE_DEADLINE, serves);
  return { url, container };
}

async function exitCode(container: string): Promise<number> {
  return await waitFor(`${container} to end`, END_DEADLINE, async () => {
    const format = "{{.State.Running}} {{.State.ExitCode}}";
    const [running, code] = (await docker.docker("inspect", "--format", format, container)).stdout
      .trim()
      .split(" ");
    return running === "false" && Number(code);
  });
}

async function isRefused(url: string): Promise<boolean> {
  return await fetch(`${url}/health`, { keepalive: false }).then(
    () => false,
    () => true,
  );
}
