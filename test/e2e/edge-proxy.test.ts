import { expect, test } from "bun:test";

import { APP_PORT, EVERYTHING, frontage, startContainer, to } from "../support/edge-scene.ts";
import { freePort } from "../support/free-port.ts";
import { startHaproxyStage } from "../support/haproxy-process.ts";
import { startLoad } from "../support/load.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 200;
const SOME_TIME = 500;

test("under load, a container takes over from another without a lost request, and goes back to it as well", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using old = startContainer(stage, "old");
  await using _new = startContainer(stage, "new");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));
  await using load = await startLoad({ port, perSecond: PER_SECOND, service: "web" });

  for (const [serving, standby] of [
    ["new", "old"],
    ["old", "new"],
    ["new", "old"],
  ] as const) {
    await Bun.sleep(SOME_TIME);
    await edge.direct("web", to(serving, standby));
    expect(edge.direction("web")).toEqual(to(serving, standby));
    const states = { [serving]: "serving", [standby]: "standby" };
    expect(await stage.servers("web")).toEqual(states);
    expect(await edge.drained("web", [standby], 5_000)).toBe(0);
  }
  await edge.direct("web", to("new"));
  expect(await edge.drained("web", ["old"], 5_000)).toBe(0);
  await old.kill();
  await Bun.sleep(SOME_TIME);

  const result = await load.stop();
  expect(result.failures).toEqual([]);
  expect(Object.keys(result.versions).toSorted()).toEqual(["new", "old"]);
  expect(await stage.servers("web")).toEqual({ new: "serving" });
});

test("of several that serve already, one that cannot be reached keeps no request from the others, and comes when it can", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _one = startContainer(stage, "one");
  await edge.apply(frontage(port, { web: [EVERYTHING], api: [{ host: undefined, path: "/api" }] }));
  await edge.direct("web", to("one"));
  await using load = await startLoad({ port, perSecond: PER_SECOND, service: "web" });

  const ofNobody = edge.direct("api", to(["three", "four"]), "one");
  await Promise.all([
    edge.direct("web", to(["one", "two"]), "one"),
    expect(ofNobody).rejects.toThrow("the edge cannot reach container three"),
  ]);
  expect(await stage.servers("web")).toEqual({ one: "serving", two: "down" });
  expect(await stage.servers("api")).toEqual({});
  expect(stage.warnings.join("\n")).toContain("the edge cannot reach container two");

  await using _two = startContainer(stage, "two");
  await waitFor(
    "the other one to serve",
    5_000,
    async () => (await stage.servers("web"))["two"] === "serving",
  );
  await Bun.sleep(SOME_TIME);
  const result = await load.stop();
  expect(result.failures).toEqual([]);
  expect(Object.keys(result.versions).toSorted()).toEqual(["one", "two"]);
});

test("when the candidate is killed under load, its requests go to the standby, none is lost", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _old = startContainer(stage, "old");
  await using candidate = startContainer(stage, "new");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));
  await edge.direct("web", to("new", "old"));
  // A POST that the candidate was answering is lost with it, for nobody may send it again.
  await using load = await startLoad({ port, perSecond: PER_SECOND, posts: 0, slow: 0.02 });

  await Bun.sleep(SOME_TIME);
  await candidate.kill();
  // These were never sent to it.
  const posts = await Promise.all(
    Array.from({ length: 10 }, () => fetch(`http://127.0.0.1:${port}/echo`, { method: "POST", body: "x" })),
  );
  expect(posts.map(({ status }) => status)).toEqual(posts.map(() => 200));
  await Bun.sleep(SOME_TIME * 2);
  expect(await stage.servers("web")).toEqual({ new: "down", old: "standby" });

  const result = await load.stop();
  expect(result.failures).toEqual([]);
  expect(Object.keys(result.versions).toSorted()).toEqual(["new", "old"]);
});

test("a container that nobody listens in takes nothing from those that serve, and is named with its port", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _old = startContainer(stage, "old");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));
  await using load = await startLoad({ port, perSecond: 50 });

  await expect(edge.direct("web", to("deaf", "old"))).rejects.toThrow(
    `the edge cannot reach container deaf of service "web" on port ${APP_PORT} (connection refused): does it listen on all its addresses? see x-deployer.port`,
  );
  expect(edge.direction("web")).toEqual(to("old"));
  expect(await stage.servers("web")).toEqual({ old: "serving" });
  expect((await load.stop()).failures).toEqual([]);
});

test("two services are directed at once, each to its own", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _web = startContainer(stage, "web1");
  await using _api = startContainer(stage, "api1", "api");
  await edge.apply(frontage(port, { web: [EVERYTHING], api: [{ host: undefined, path: "/api" }] }));
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(503);

  await Promise.all([edge.direct("web", to("web1")), edge.direct("api", to("api1"))]);

  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("web1");
  expect(await (await fetch(`http://127.0.0.1:${port}/api/x`)).text()).toBe("api1");
  expect(edge.direction("web")).toEqual(to("web1"));
  expect(edge.direction("api")).toEqual(to("api1"));
});

test("a server that a killed daemon has added halfway is taken into use", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _web = startContainer(stage, "web1");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await stage.ask(
    `add server web/web1.${APP_PORT} ${stage.address("web1")}:${APP_PORT} check inter 100ms rise 1`,
  );
  await edge.direct("web", to("web1"));
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("web1");
});

test("a container that got another address is reached there", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  {
    await using _before = startContainer(stage, "web1");
    await edge.direct("web", to("web1"));
  }
  stage.move("web1");
  await using _after = startContainer(stage, "web1");
  await edge.direct("web", to("web1"));
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("web1");
  expect((await edge.servers("web")).map(({ address }) => address)).toEqual([stage.address("web1")]);
});

test("several containers share the requests, and one by one they are replaced", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using apps = new AsyncDisposableStack();
  for (const name of ["a", "b", "c", "d"]) apps.use(startContainer(stage, name));
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to(["a", "b"]));
  await using load = await startLoad({ port, perSecond: 100 });
  await edge.direct("web", to(["b", "c"], "a"));
  await edge.direct("web", to(["c", "d"], "a", "b"));
  expect(await edge.drained("web", ["a", "b"], 5_000)).toBe(0);
  await Bun.sleep(SOME_TIME);
  const result = await load.stop();
  expect(result.failures).toEqual([]);
  expect(await stage.servers("web")).toEqual({ a: "standby", b: "standby", c: "serving", d: "serving" });
});

test("a proxy that starts anew has the same picture from its files, also in the middle of a switch", async () => {
  await using stage = await startHaproxyStage();
  const { edge } = stage;
  const port = freePort();
  await using _old = startContainer(stage, "old");
  await edge.apply(frontage(port, { web: [EVERYTHING] }));
  await edge.direct("web", to("old"));

  const switching = edge.direct("web", to("new", "old"));
  await waitFor("the candidate to be added", 5_000, async () => "new" in (await stage.servers("web")));
  await stage.restartProxy();
  expect(await stage.servers("web")).toMatchObject({ old: "serving" });
  await using _new = startContainer(stage, "new");
  await switching;

  const picture = { new: "serving", old: "standby" };
  expect(await stage.servers("web")).toEqual(picture);
  await stage.restartProxy();
  expect(await stage.servers("web")).toEqual(picture);
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("new");
});

test("a daemon that was killed between its note and the switch finishes the switch when it starts", async () => {
  await using stage = await startHaproxyStage();
  const port = freePort();
  await using _old = startContainer(stage, "old");
  await using _new = startContainer(stage, "new");
  const wanted = frontage(port, { web: [EVERYTHING] });
  await stage.edge.apply(wanted);
  await stage.edge.direct("web", to("old"));
  await stage.edge.direct("web", to("new", "old"));
  // As it was before the second one was told to the proxy.
  await stage.ask(`set server web/old.${APP_PORT} state ready`);
  await stage.ask(`set server web/new.${APP_PORT} state drain`);
  await stage.ask(`set server web/old.${APP_PORT}.standby state maint`);
  await stage.ask(`del server web/old.${APP_PORT}.standby`);

  const daemon = stage.anotherDaemon();
  expect(daemon.direction("web")).toEqual(to("new", "old"));
  await daemon.apply(wanted);
  expect(await stage.servers("web")).toEqual({ new: "serving", old: "standby" });
});
