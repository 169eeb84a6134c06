import { expect, test } from "bun:test";

import { never, START } from "../../test/fakes/clock.ts";
import type { Life } from "../../test/fakes/life.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import type { Settings } from "./settings.ts";
import { watch } from "./watch.ts";

const HEALTH = { path: "/", host: undefined, headers: {}, status: { from: 200, to: 399 } };
const HTTP = settings({ health: HEALTH, port: 80, watchMs: 10_000 });

async function watched(life: Life, wanted: Settings = HTTP) {
  const here = fakeWorld([service("web")]);
  here.lives.set("web:v1", life);
  const container = structuredClone(here.add("web"));
  const outcome = await watch([container], wanted, here, never(), new Map()).then(
    (running) => running.map(({ id }) => id).join(),
    (error: Error) => error.message,
  );
  return { outcome, took: here.clock.now() - START };
}

test("one that is well to the end runs on", async () => {
  expect(await watched({})).toEqual({ outcome: "web-1", took: 10_000 });
  expect(await watched({}, settings({ watchMs: 1_500 }))).toEqual({ outcome: "web-1", took: 1_500 });
});

test("without a watch nothing is asked", async () => {
  expect(await watched({ http: () => 500 }, { ...HTTP, watchMs: 0 })).toEqual({ outcome: "web-1", took: 0 });
});

test("two bad answers are forgiven, three in a row are not", async () => {
  const hiccup = (age: number): number => (age === 2_000 || age === 3_000 ? 503 : 200);
  expect(await watched({ http: hiccup })).toEqual({ outcome: "web-1", took: 10_000 });
  expect(await watched({ http: (age) => (age >= 2_000 ? 503 : 200) })).toEqual({
    outcome:
      'container web-1 of service "web" failed 3 times in a row while it was watched, asked was GET / on port 80: HTTP 503',
    took: 4_000,
  });
});

test.each<[string, Life, string]>([
  ["exits", { exits: { after: 2_500, code: 1 } }, "exited with code 1"],
  ["is restarted", { restartsAfter: 2_500 }, "did not stay up, Docker restarted it"],
  [
    "is unhealthy for Docker",
    { unhealthyAfter: 2_500, execFailsAfter: Infinity },
    "became unhealthy while it was watched",
  ],
])("one that %s ends it at the next look", async (_, life, how) => {
  const wanted = settings({ watchMs: 10_000 });
  expect(await watched(life, wanted)).toEqual({
    outcome: `container web-1 of service "web" ${how}`,
    took: 3_000,
  });
});

test("a job that ends with 0 ends it well", async () => {
  expect(await watched({ exits: { after: 2_500, code: 0 } }, settings({ watchMs: 10_000 }))).toEqual({
    outcome: "",
    took: 3_000,
  });
});
