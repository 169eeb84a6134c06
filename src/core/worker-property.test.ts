import { expect, test } from "bun:test";
import fc from "fast-check";

import { never } from "../../test/fakes/clock.ts";
import { requestFor } from "../../test/fakes/deployment.ts";
import { mortal } from "../../test/fakes/mortal.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { type Deployment, hasEnded, servicesOf } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { Queue } from "./queue.ts";
import { Worker } from "./worker.ts";

const SERVICES = ["a", "b", "c", "d", "e"];
const REQUESTS = 1_000;
/** Until it is killed. */
const REQUESTS_A_LIFE = 40;
/** Thousands of deployments, 6 s of one core, on a machine that does other things too. */
const TEST_WITHIN_MS = 300_000;
const WORKFLOW = "1/deploy.yml";

type Asked = { service: string; number: number; attempt: number; key: boolean; pause: number };
type Told = Asked & { id?: string; refused?: string };

/** Requests as a bad network delivers them: runs of all services rise, but come late, early and more than once. */
const requests = fc
  .array(
    fc.record({
      service: fc.constantFrom(...SERVICES),
      early: fc.integer({ min: -6, max: 3 }),
      attempt: fc.integer({ min: 1, max: 3 }),
      key: fc.boolean(),
      pause: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 10, 2_000),
    }),
    { minLength: REQUESTS, maxLength: REQUESTS },
  )
  .map((all) =>
    all.map(({ early, ...asked }, n): Asked => ({
      ...asked,
      number: Math.max(1, Math.floor(n / 10) + early),
    })),
  );

/** Shrinking a thousand requests would take longer than anybody waits; the seed is enough to see it again. */
const ONCE = { endOnFailure: true };

const tagOf = ({ service, number, attempt }: Asked): string => `${service}:r${number}.${attempt}`;
const orderOf = ({ number, attempt }: Asked): number => number * 10 + attempt;

function shop(): World {
  const world = fakeWorld(SERVICES.map((name) => service(name)));
  for (const name of SERVICES) world.add(name);
  return world;
}

type Watched = { ports: World; begun: Set<string>; nextLife: () => void };

/** Fails as soon as two deployments of one service run, one begins twice in one life of the daemon, or ends twice. */
function watched(world: World): Watched {
  const running = new Map<string, string>();
  const begun = new Set<string>();
  let begunInThisLife = new Set<string>();
  const update = (deployment: Deployment): void => {
    const { id } = deployment;
    const [name = ""] = servicesOf(deployment);
    const known = world.store.find(id);
    if (known !== undefined && hasEnded(known)) throw new Error(`${id} ends twice`);
    world.store.update(deployment);
    if (deployment.status !== "running") return void (running.get(name) === id && running.delete(name));
    if ((running.get(name) ?? id) !== id) throw new Error(`two of ${name} run`);
    if (begunInThisLife.has(id)) throw new Error(`${id} begins twice`);
    running.set(name, id);
    begun.add(id);
    begunInThisLife.add(id);
  };
  const nextLife = (): void => void (begunInThisLife = new Set());
  return { ports: { ...world, store: { ...world.store, update } }, begun, nextLife };
}

async function send(worker: Worker, asked: Asked): Promise<Told> {
  const run = { workflow: WORKFLOW, number: asked.number, attempt: asked.attempt };
  const request = { ...requestFor(asked.service, { image: tagOf(asked) }), run };
  const key = {
    kind: "header",
    owner: "ci",
    key: tagOf(asked),
    request: tagOf(asked),
    goodUntil: 0,
  } as const;
  try {
    return { ...asked, id: (await worker.submit(request, "ci", asked.key ? [key] : [])).id };
  } catch (error) {
    if (!(error instanceof DeployerError) || error.code !== "superseded") throw error;
    return { ...asked, refused: error.message };
  }
}

/** What ended without running was superseded by a newer run, accepted later; what was refused was late indeed. */
function expectTruth(world: World, told: readonly Told[]): void {
  const byId = new Map(told.flatMap((each) => (each.id === undefined ? [] : [[each.id, each] as const])));
  for (const each of told) {
    const other =
      each.refused === undefined ? world.store.find(each.id ?? "")?.supersededBy : idIn(each.refused);
    if (other === undefined) continue;
    const newer = byId.get(other);
    if (newer === undefined) throw new Error(`superseded by ${other}, which nobody sent`);
    expect(newer.service).toBe(each.service);
    if (each.refused === undefined) expect(orderOf(newer)).toBeGreaterThanOrEqual(orderOf(each));
    else expect(orderOf(newer)).toBeGreaterThan(orderOf(each));
  }
  for (const id of byId.keys())
    expect(world.store.find(id)).toSatisfy((found) => found !== undefined && hasEnded(found));
}

function idIn(message: string): string | undefined {
  return /^superseded by (\S+)\n/.exec(message)?.[1];
}

test(
  "1,000 requests shuffled, duplicated and out of order end with the newest run of each service",
  async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (all) => {
        const world = shop();
        const { ports, begun } = watched(world);
        let last = 0;
        const worker = new Worker(ports, ports.queue, Promise.resolve(), () => `d${(last += 1)}`);
        const told: Told[] = [];
        for (const asked of all) {
          if (asked.pause > 0) await world.clock.sleep(asked.pause);
          told.push(await send(worker, asked));
        }
        const ids = told.flatMap(({ id }) => id ?? []);
        const ends = await Promise.all(ids.map((id) => worker.ended(id, never())));
        for (const { status } of ends) expect(["succeeded", "superseded"]).toContain(status);
        expectTruth(world, told);
        for (const { id, status } of ends) expect(begun.has(id)).toBe(status === "succeeded");
        const newest = SERVICES.flatMap((name) =>
          all
            .filter(({ service }) => service === name)
            .toSorted((x, y) => orderOf(y) - orderOf(x))
            .slice(0, 1),
        );
        expect(
          world
            .ps()
            .map((line) => line.split(" ").slice(1).join(" "))
            .toSorted(),
        ).toEqual(newest.map((asked) => `running ${tagOf(asked)}`).toSorted());
      }),
      { ...ONCE, numRuns: 5 },
    );
  },
  TEST_WITHIN_MS,
);

test(
  "a daemon that is killed again and again loses no accepted request and runs none twice",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        requests,
        fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 8 }),
        async (all, kills) => {
          const world = shop();
          const { ports, begun, nextLife } = watched(world);
          const told: Told[] = [];
          let last = 0;
          const start = () => {
            nextLife();
            const queue = new Queue();
            const life = mortal(ports);
            const bound = { ...life.ports, inTurn: queue.inTurn };
            const worker = new Worker(bound, queue, Promise.resolve(), () => `d${(last += 1)}`);
            return { worker, kill: life.kill };
          };
          for (const [life, killedAfter] of kills.entries()) {
            const { worker, kill } = start();
            for (const asked of all.slice(life * REQUESTS_A_LIFE, (life + 1) * REQUESTS_A_LIFE)) {
              if (asked.pause > 0) await world.clock.sleep(asked.pause);
              told.push(await send(worker, asked));
            }
            await world.clock.sleep(killedAfter);
            kill();
            const left = world.store.unfinished();
            for (const { id, status } of left) expect(begun.has(id)).toBe(status === "running");
          }
          const waiting = world.store.unfinished().filter(({ status }) => status === "queued");
          const { worker } = start();
          const ids = new Set(told.flatMap(({ id }) => id ?? []));
          for (const id of ids) await worker.ended(id, never());
          expectTruth(world, told);
          for (const { id } of waiting) expect(world.store.find(id)?.status).toBe("succeeded");
          for (const id of ids) {
            const { status, code } = world.store.find(id) ?? {};
            expect(begun.has(id)).toBe(status !== "superseded");
            if (status === "failed") expect(code).toBe("interrupted");
            else expect(["succeeded", "superseded"]).toContain(status ?? "gone");
          }
          expect(world.ps().filter((line) => line.includes("running"))).toHaveLength(SERVICES.length);
          expect(world.ps()).toHaveLength(SERVICES.length);
        },
      ),
      { ...ONCE, numRuns: 20 },
    );
  },
  TEST_WITHIN_MS,
);
