import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { requestFor } from "../../test/fakes/deployment.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { hasEnded } from "./deployment.ts";
import { Worker } from "./worker.ts";

/** A shop whose disk is full when `isFull` says so of a deployment that is written down. */
function shop(isFull: (status: string) => boolean): { world: World; worker: Worker } {
  const world = fakeWorld([service("web")]);
  world.add("web");
  const store: World["store"] = {
    ...world.store,
    update(deployment) {
      if (isFull(deployment.status)) throw new Error("database or disk is full");
      world.store.update(deployment);
    },
  };
  let last = 0;
  const worker = new Worker({ ...world, store }, world.queue, Promise.resolve(), () => `d${(last += 1)}`);
  return { world, worker };
}

const v = (number: number) => requestFor("web", { image: `web:v${number}` });

async function untilEnded(world: World, id: string): Promise<string | undefined> {
  for (let n = 0; n < 1_000; n += 1) {
    const found = world.store.find(id);
    if (found !== undefined && hasEnded(found)) return found.status;
    await world.clock.sleep(100);
  }
  throw new Error(`${id} did not end`);
}

test("an end that cannot be written down is told its caller, and written when there is room again", async () => {
  let room = false;
  const { world, worker } = shop((status) => status === "succeeded" && !room);
  await worker.submit(v(2), "me");
  const message =
    "STATE_DIR cannot be written to (database or disk is full): free some space on its disk; deployment d1 ended as succeeded, which GET /deployments/d1 tells as soon as it is written";
  await expect(worker.ended("d1", never())).rejects.toMatchObject({ code: "internal", message });
  expect(world.store.find("d1")?.status).toBe("running");
  room = true;
  expect(await untilEnded(world, "d1")).toBe("succeeded");
  expect(await worker.ended("d1", never())).toMatchObject({ status: "succeeded" });
});

test.each(["running", "succeeded"])(
  "a newer deployment does not begin as long as an older one cannot be written down as %s",
  async (status) => {
    let failures = 0;
    const { world, worker } = shop((written) => written === status && (failures += 1) <= 3);
    await worker.submit(v(2), "me");
    await worker.ended("d1", never()).catch(() => undefined);
    await worker.submit(v(3), "me");
    expect(await untilEnded(world, "d2")).toBe("succeeded");
    expect(world.store.find("d1")?.status).toBe("succeeded");
    expect(world.ps()).toEqual(["web-3 running web:v3"]);
    // Nothing is left that the next start would take up, and undo v3 by it.
    expect(world.store.unfinished()).toEqual([]);
  },
);

test("a deployment that could begin only late is waited for by those who ask then", async () => {
  let failures = 0;
  const { world, worker } = shop((written) => written === "running" && (failures += 1) <= 1);
  await worker.submit(v(2), "me");
  await expect(worker.ended("d1", never())).rejects.toThrow("deployment d1 goes on");
  while (world.store.find("d1")?.status === "queued") await world.clock.sleep(100);
  expect(await worker.ended("d1", never())).toMatchObject({ status: "succeeded" });
});

test("nothing begins any more when the daemon stops", async () => {
  let failures = 0;
  const { world, worker } = shop((written) => written === "running" && (failures += 1) <= 1);
  await worker.submit(v(2), "me");
  await worker.ended("d1", never()).catch(() => undefined);
  await worker.stop();
  await world.clock.sleep(60_000);
  expect(world.store.find("d1")?.status).toBe("queued");
  expect(world.ps()).toEqual(["web-1 running web:v1"]);
});
