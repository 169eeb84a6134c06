import { describe, expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import { requestFor } from "../../test/fakes/deployment.ts";
import { digestOf } from "../../test/fakes/images.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import type { Deployment } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { Worker } from "./worker.ts";

const SECOND = 1_000;

function workerIn(world: World, ready: Promise<void> = Promise.resolve()): Worker {
  let last = 0;
  return new Worker(world, world.queue, ready, () => `d${(last += 1)}`);
}

const request = (name: string, image?: string) => requestFor(name, image === undefined ? {} : { image });

function shop(): World {
  const world = fakeWorld([service("web"), service("api")]);
  world.add("web");
  world.add("api");
  return world;
}

/** A promise kept from being awaited too early by the function that makes it. */
type Submitted = { end: Promise<Deployment> };
async function submit(worker: Worker, name: string, image?: string): Promise<Submitted> {
  const { id } = await worker.submit(request(name, image), "github-actions");
  return { end: worker.ended(id, never()) };
}

describe("an accepted deployment", () => {
  test("is on disk before its caller hears of it", async () => {
    const world = shop();
    const accepted = await workerIn(world).submit(request("web", "web:v2"), "github-actions");
    expect(accepted).toMatchObject({
      id: "d1",
      parts: [{ service: "web", image: "web:v2", digest: undefined }],
      attempts: 0,
      issuer: "github-actions",
      status: "queued",
      createdAt: START,
    });
    expect(world.store.find("d1")?.createdAt).toBe(START);
  });

  test("runs to its end, which is on disk when its caller hears of it", async () => {
    const world = shop();
    const worker = workerIn(world);
    const { end } = await submit(worker, "web", "web:v2");
    const ended = await end;
    expect(ended).toMatchObject({
      status: "succeeded",
      changed: true,
      parts: [{ service: "web", image: "web:v2", digest: digestOf("web:v2") }],
      attempts: 1,
      reason: "",
      startedAt: START,
      endedAt: START + 3 * SECOND,
    });
    expect(world.store.find("d1")).toEqual(ended);
  });

  test("has removed the containers of its before commands when its caller hears of the end", async () => {
    const world = fakeWorld([service("web", { settings: settings({ before: [["migrate"]] }) })]);
    world.add("web");
    world.before("remove web-run-1 with volumes", () => world.clock.sleep(SECOND));
    const { end } = await submit(workerIn(world), "web", "web:v2");
    expect((await end).status).toBe("succeeded");
    expect(world.calls).toContain("run web migrate");
    expect(world.ps()).toEqual(["web-2 running web:v2"]);
  });

  test("has its failure on disk and in the log", async () => {
    const world = shop();
    world.fail("pull web:v2", "no space left on device");
    const { end } = await submit(workerIn(world), "web", "web:v2");
    expect(await end).toMatchObject({ status: "failed", code: "docker", changed: false });
    expect(world.log.lines.at(-1)).toMatchObject({
      level: "error",
      message: "deployment ended",
      fields: { deployment: "d1", status: "failed", milliseconds: 0 },
    });
  });

  test("goes on when its caller goes away", async () => {
    const world = shop();
    const worker = workerIn(world);
    const { id } = await worker.submit(request("web", "web:v2"), "github-actions");
    const caller = new AbortController();
    const waiting = worker.ended(id, caller.signal);
    caller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    expect(await worker.ended(id, never())).toMatchObject({ status: "succeeded" });
  });

  test("answers every caller who asks for its end, then and later", async () => {
    const worker = workerIn(shop());
    await worker.submit(request("web", "web:v2"), "github-actions");
    const [one, other] = await Promise.all([worker.ended("d1", never()), worker.ended("d1", never())]);
    expect(one).toEqual(other);
    expect(await worker.ended("d1", never())).toEqual(one);
  });

  test("that cannot be written to disk is refused", async () => {
    const world = shop();
    const store = {
      ...world.store,
      insert() {
        throw new Error("disk full");
      },
    };
    const worker = workerIn({ ...world, store });
    await expect(worker.submit(request("web"), "github-actions")).rejects.toThrow("disk full");
    expect(world.calls).toEqual([]);
  });

  test("whose end cannot be written is not called ended", async () => {
    const world = shop();
    let updates = 0;
    const store = {
      ...world.store,
      update(deployment: Deployment) {
        updates += 1;
        if (updates === 2) throw new Error("disk full");
        world.store.update(deployment);
      },
    };
    const { end } = await submit(workerIn({ ...world, store }), "web", "web:v2");
    await expect(end).rejects.toThrow("disk full");
    expect(world.store.find("d1")?.status).toBe("running");
    expect(world.log.lines.map(({ message }) => message)).toContain(
      "the state of a deployment could not be written down, trying again",
    );
  });
});

test("an id that nobody gave is unknown", async () => {
  await expect(workerIn(shop()).ended("nope", never())).rejects.toMatchObject({
    code: "not_found",
    message: 'unknown deployment "nope"',
  });
});

test.each([
  [request("nope"), "not_found", 'unknown service "nope"'],
  [
    request("web", "evil:v1"),
    "not_deployable",
    expect.stringContaining('image "evil:v1" is not from a repository'),
  ],
])("a request that may not be deployed is refused and leaves no row: %j", async (asked, code, message) => {
  const world = shop();
  await expect(workerIn(world).submit(asked, "github-actions")).rejects.toMatchObject({ code, message });
  expect(world.store.unfinished()).toEqual([]);
});

describe("several deployments", () => {
  test("of one service run one after the other", async () => {
    const world = shop();
    const worker = workerIn(world);
    const all = [await submit(worker, "web", "web:v2"), await submit(worker, "web", "web:v3")];
    const ends = await Promise.all(all.map(({ end }) => end));
    expect(ends.map(({ status, startedAt }) => [status, (startedAt ?? 0) - START])).toEqual([
      ["succeeded", 0],
      ["succeeded", 3 * SECOND],
    ]);
    expect(world.ps()).toEqual(["api-1 running api:v1", "web-3 running web:v3"]);
  });

  test("of different services run at the same time", async () => {
    const world = shop();
    const worker = workerIn(world);
    const all = [await submit(worker, "web", "web:v2"), await submit(worker, "api", "api:v2")];
    const ends = await Promise.all(all.map(({ end }) => end));
    expect(ends.map(({ startedAt }) => startedAt)).toEqual([START, START]);
  });

  test("of one service: one that fails does not hold up the next", async () => {
    const world = shop();
    const worker = workerIn(world);
    world.lives.set("web:v2", { exits: { after: 100, code: 1 } });
    const [bad, good] = [await submit(worker, "web", "web:v2"), await submit(worker, "web", "web:v3")];
    expect((await bad.end).status).toBe("rolled_back");
    expect((await good.end).status).toBe("succeeded");
  });

  test("up to 200 may wait, then they are refused", async () => {
    const names = Array.from({ length: 200 }, (_, n) => `s${n}`);
    const world = fakeWorld(["web", "api", ...names].map((name) => service(name)));
    const ready = Promise.withResolvers<void>();
    const worker = workerIn(world, ready.promise);
    for (const name of names) await worker.submit(request(name), "github-actions");
    await expect(worker.submit(request("api"), "github-actions")).rejects.toMatchObject({
      code: "queue_full",
    });
    expect(world.store.unfinished()).toHaveLength(200);
    expect((await worker.submit(request("s7"), "github-actions")).status).toBe("queued");
    expect(world.store.unfinished()).toHaveLength(200);
    await worker.stop();
  });
});

describe("while the daemon recovers", () => {
  test("a deployment waits", async () => {
    const world = shop();
    const ready = Promise.withResolvers<void>();
    const { end } = await submit(workerIn(world, ready.promise), "web", "web:v2");
    world.clock.at(20 * SECOND, () => {
      expect(world.calls).toEqual([]);
      ready.resolve();
    });
    expect(await end).toMatchObject({ status: "succeeded", endedAt: START + 23 * SECOND });
  });

  test("it waits for 30 s and then fails, nothing touched", async () => {
    const world = shop();
    const { end } = await submit(workerIn(world, new Promise(() => undefined)), "web", "web:v2");
    expect(await end).toMatchObject({
      status: "failed",
      code: "docker",
      changed: false,
      endedAt: START + 30 * SECOND,
      reason:
        "the daemon is still starting: it waits for Docker, or for the compose file to be readable; see /ready\nnothing was touched",
    });
    expect(world.calls).toEqual([]);
  });
});

describe("stop", () => {
  test("lets the running one end, leaves the waiting one to the next start, and refuses new ones", async () => {
    const world = shop();
    const worker = workerIn(world);
    const [first, second] = [await submit(worker, "web", "web:v2"), await submit(worker, "web", "web:v3")];
    const stopped = worker.stop();
    await expect(worker.submit(request("api"), "github-actions")).rejects.toMatchObject({
      code: "shutting_down",
      message: "the daemon is shutting down",
    });
    const later = {
      code: "shutting_down",
      message: "the daemon is shutting down; deployment d2 is on disk and runs after the restart",
    };
    await expect(second.end).rejects.toMatchObject(later);
    await stopped;
    expect(await first.end).toMatchObject({ status: "succeeded" });
    await expect(worker.ended("d2", never())).rejects.toMatchObject(later);
    expect(world.ps()).toEqual(["api-1 running api:v1", "web-2 running web:v2"]);
    expect(world.store.unfinished()).toMatchObject([{ id: "d2", status: "queued" }]);
  });

  test("has one that takes too long go back after 75 s, and something serves", async () => {
    const world = fakeWorld([
      service("web", { dependsOn: [{ service: "db", condition: "service_healthy", required: true }] }),
      service("db"),
    ]);
    world.add("web");
    world.lives.set("db:v1", { healthyAfter: 100 * SECOND });
    const worker = workerIn(world);
    const { end } = await submit(worker, "web", "web:v2");
    const began = world.clock.now();
    await worker.stop();
    expect(world.clock.now() - began).toBe(75 * SECOND);
    expect(await end).toMatchObject({
      status: "failed",
      code: "interrupted",
      reason:
        "interrupted: the daemon was stopped and the deployment did not end in time\nwhat serves now: web:v1 in container web-1",
    });
    expect(world.ps()).toContain("web-1 running web:v1");
  });

  test("refuses a request whose check was under way", async () => {
    const world = shop();
    const worker = workerIn(world);
    const asked = worker.submit(request("web"), "github-actions");
    const stopped = worker.stop();
    await expect(asked).rejects.toMatchObject({ code: "shutting_down" });
    await stopped;
    expect(world.store.unfinished()).toEqual([]);
  });

  test("is the reason when the check of a request breaks off by it", async () => {
    const world = shop();
    const broken = Promise.withResolvers<never>();
    const worker = workerIn({ ...world, compose: { ...world.compose, project: () => broken.promise } });
    const asked = worker.submit(request("web"), "github-actions");
    const stopped = worker.stop();
    broken.reject(new DeployerError("compose_file", "docker compose ended with SIGTERM"));
    await expect(asked).rejects.toMatchObject({ code: "shutting_down" });
    await stopped;
  });

  test("with nothing to do ends at once", async () => {
    const world = shop();
    await workerIn(world).stop();
    expect(world.clock.now()).toBe(START);
  });

  test("gives the recovery up that a deployment waits for", async () => {
    const world = shop();
    const worker = workerIn(world, new Promise(() => undefined));
    const { end } = await submit(worker, "web", "web:v2");
    await worker.stop();
    await expect(end).rejects.toMatchObject({ code: "shutting_down" });
    expect(world.store.find("d1")?.status).toBe("queued");
    expect(world.calls).toEqual([]);
  });
});

test("a request for a service of a file that cannot be read is refused with its error", async () => {
  const world = shop();
  const compose = {
    ...world.compose,
    project: async () => {
      throw new DeployerError("compose_file", "line 3");
    },
  };
  await expect(workerIn({ ...world, compose }).submit(request("web"), "me")).rejects.toMatchObject({
    code: "compose_file",
  });
});
