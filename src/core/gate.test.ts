import { describe, expect, test } from "bun:test";

import { START } from "../../test/fakes/clock.ts";
import type { Life } from "../../test/fakes/life.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { assertLives, type Complaints, startAndPass } from "./gate.ts";
import type { Container } from "./engine.ts";
import type { Settings } from "./settings.ts";

const HEALTH = { path: "/health", host: undefined, headers: {}, status: { from: 200, to: 399 } };
const HTTP = settings({ health: HEALTH, port: 3000 });

/** A container of `web:v1` that was created and not started. */
function created(life: Life, fields: Partial<Container> = {}): { here: World; container: Container } {
  const here = fakeWorld([service("web")]);
  here.lives.set("web:v1", life);
  const container = here.add("web", { state: "created", ...fields });
  return { here, container };
}

async function gate(life: Life, wanted: Settings = settings(), fields: Partial<Container> = {}) {
  const { here, container } = created(life, fields);
  const complaints: Complaints = new Map();
  const outcome = await startAndPass([container], wanted, here, undefined, complaints).then(
    (running) => running.map(({ id }) => id).join(),
    (error: Error) => error.message,
  );
  return { outcome, took: here.clock.now() - START, complaint: complaints.get(container.id) };
}

const named = (what: string): string => `container web-1 of service "web" ${what}`;

describe("with an HTTP health path", () => {
  test("three good answers in a row pass", async () => {
    expect(await gate({}, HTTP)).toMatchObject({ outcome: "web-1", took: 500 });
  });

  test("one bad answer begins the count again", async () => {
    const flaps = (age: number): number => (age === 250 ? 503 : 200);
    expect(await gate({ http: flaps }, HTTP)).toEqual({
      outcome: "web-1",
      took: 1_000,
      complaint: undefined,
    });
  });

  test("a slow start is waited for, the deadline ends it with the status seen", async () => {
    expect(await gate({ http: (age) => (age < 40_000 ? "refused" : 200) }, HTTP)).toMatchObject({
      outcome: "web-1",
      took: 40_500,
    });
    expect(await gate({ http: () => 503 }, HTTP)).toEqual({
      outcome: named("did not pass within 60 s, asked was GET /health on port 3000: HTTP 503"),
      took: 60_000,
      complaint: { what: "HTTP 503", output: "" },
    });
    expect(await gate({ http: () => 503 }, { ...HTTP, timeoutMs: 5_000 })).toMatchObject({ took: 5_000 });
  });

  test("a status outside the wanted ones does not pass", async () => {
    const wanted = settings({ health: { ...HEALTH, status: { from: 204, to: 204 } }, port: 80 });
    expect(await gate({ http: () => 200 }, wanted)).toMatchObject({
      complaint: { what: "HTTP 200" },
      took: 60_000,
    });
    expect(await gate({ http: () => 204 }, wanted)).toMatchObject({ outcome: "web-1" });
  });

  test("the only port that is exposed is asked, and which one must be clear", async () => {
    const unclear = settings({ health: HEALTH });
    expect(await gate({ exposesPorts: true }, unclear)).toMatchObject({ outcome: "web-1" });
    expect(await gate({}, unclear)).toMatchObject({
      outcome: 'service "web" exposes no port: say in x-deployer.port on which it answers',
    });
    expect(await gate({}, unclear, { tcpPorts: [80, 9090] })).toMatchObject({
      outcome: 'service "web" exposes the ports 80, 9090: say in x-deployer.port on which it answers',
    });
  });
});

describe("with a HEALTHCHECK", () => {
  test("its command is run at once and often, whatever its interval is", async () => {
    const life = { healthcheck: { intervalMs: 30_000 }, execFailsUntil: 1_000 };
    expect(await gate(life)).toEqual({ outcome: "web-1", took: 1_500, complaint: undefined });
  });

  test("it gets as long as it would take itself to give up, at least a minute", async () => {
    const never = { execFailsUntil: Infinity };
    const slow = { ...never, healthcheck: { startPeriodMs: 120_000, intervalMs: 10_000, retries: 5 } };
    expect(await gate(slow)).toMatchObject({
      took: 170_000,
      outcome: named("did not pass within 170 s, asked was its HEALTHCHECK: exited with 1"),
      complaint: { what: "exited with 1", output: "not well" },
    });
    const quick = { ...never, healthcheck: { startPeriodMs: 0, intervalMs: 1_000, retries: 2 } };
    expect(await gate(quick)).toMatchObject({ took: 60_000 });
  });
});

describe("with neither", () => {
  test("three seconds without a restart pass", async () => {
    expect(await gate({})).toMatchObject({ outcome: "web-1", took: 3_000 });
  });

  test("a job that ends with 0 passes when it ends, and runs on no more", async () => {
    expect(await gate({ exits: { after: 1_000, code: 0 } })).toMatchObject({ outcome: "", took: 1_000 });
  });
});

test.each<[string, Life, string]>([
  ["exits", { exits: { after: 1_000, code: 7 } }, "exited with code 7"],
  ["is restarted", { restartsAfter: 1_000 }, "did not stay up, Docker restarted it"],
  [
    "is out of memory",
    { exits: { after: 1_000, code: 137, oomKilled: true } },
    "was killed for lack of memory",
  ],
])("one that %s fails at once, however long the gate would wait", async (_, life, end) => {
  const never = { ...life, execFailsUntil: Infinity };
  expect(await gate(never)).toMatchObject({ outcome: named(end), took: 1_000 });
});

test("one that Docker is restarting since before the first look at it tells how it ended", () => {
  const { container } = created({});
  const looping: Container = { ...container, state: "restarting", restarts: 1, exitCode: 3 };
  expect(() => assertLives({ ...looping }, looping)).toThrow(named("restarted after it exited with code 3"));
});

test("one that fails ends the wait for the others", async () => {
  const { here, container } = created({ http: () => 503 });
  const other = here.add("web", { state: "created" });
  here.before(`probe ${other.id}`, () => here.stopByHand(other.id));
  const both = startAndPass([container, other], HTTP, here);
  expect(both).rejects.toThrow("container web-2");
  await both.catch(() => undefined);
  expect(here.clock.now() - START).toBeLessThan(1_000);
});

test("a stop of the daemon ends it with the signal's reason", async () => {
  const { here, container } = created({ http: () => 503 });
  const stop = new AbortController();
  here.clock.at(2_000, () => stop.abort(new Error("stopping")));
  expect(startAndPass([container], HTTP, here, stop.signal)).rejects.toThrow("stopping");
});

test("one that passes only when its time is over is told so", async () => {
  const late = (age: number): number | "refused" => (age < 4_800 ? "refused" : 200);
  expect(await gate({ http: late }, { ...HTTP, timeoutMs: 5_000 })).toMatchObject({
    outcome: named(
      "did not pass within 5 s, asked was GET /health on port 3000: it passed 1 of 3 times in a row by then",
    ),
  });
});

test("why the kernel killed one is told, also when Docker learns it a moment later", async () => {
  const { here, container } = created({ exits: { after: 1_000, code: 137 } });
  here.clock.at(1_300, () => Object.assign(container, { oomKilled: true }));
  const told = await startAndPass([container], settings(), here).catch((error: Error) => error.message);
  expect(told).toBe(named("was killed for lack of memory"));
});
