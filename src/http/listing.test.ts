import { expect, test } from "bun:test";

import { outcomeOf, queued } from "../../test/fakes/deployment.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { begin, type Deployment, end } from "../core/deployment.ts";
import { AUTHORIZED, CREATED_AT, fakeDaemon, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

type Page = { deployments: { id: string }[]; next: string | null };

const store = filled();
const app = createApp(fakeDaemon({ list: (query) => store.list(query) }).daemon);

/** Five hundred, two at a time in the same millisecond; every third of `api`, every tenth rolled back. */
function filled() {
  const store = fakeStore();
  for (let n = 0; n < 500; n += 1) store.insert(deployment(n));
  return store;
}

function deployment(n: number): Deployment {
  const now = CREATED_AT + Math.floor(n / 2);
  const begun = begin(queued(idOf(n), now, n % 3 === 0 ? ["api", "db"] : "web"), now);
  const status = n % 10 === 0 ? "rolled_back" : "succeeded";
  return end(begun, outcomeOf(status), now);
}

function idOf(n: number): string {
  return `d${String(n).padStart(3, "0")}`;
}

async function get(query: string, headers: Record<string, string> = AUTHORIZED) {
  return await app.request(`/deployments${query}`, { headers }, NO_NETWORK);
}

async function page(query: string): Promise<Page> {
  const reply = await get(query);
  expect([query, reply.status]).toEqual([query, 200]);
  return JSON.parse(await reply.text());
}

async function all(query: string): Promise<string[]> {
  const ids: string[] = [];
  for (let next: string | null = ""; next !== null;) {
    const one: Page = await page(`?${query}${next === "" ? "" : `&before=${next}`}`);
    ids.push(...one.deployments.map(({ id }) => id));
    next = one.next;
  }
  return ids;
}

test("the list is JSON, newest first, fifty at a time", async () => {
  const first = await page("");
  expect(first.deployments.map(({ id }) => id)).toEqual([...Array(50)].map((_, index) => idOf(499 - index)));
  expect(first.deployments[0]).toMatchObject({ id: "d499", service: "web", status: "succeeded" });
  expect(first.deployments[1]).toMatchObject({
    service: null,
    services: [{ service: "api" }, { service: "db" }],
  });
  expect(first.deployments[0]).not.toHaveProperty("diagnosis");
});

const everything = [...Array(500)].map((_, index) => 499 - index);
test.each<[string, number[]]>([
  ["limit=7", everything],
  ["limit=200", everything],
  ["service=api&limit=9", everything.filter((n) => n % 3 === 0)],
  ["status=rolled_back&limit=3", everything.filter((n) => n % 10 === 0)],
  ["status=rolled_back&service=api&limit=1", everything.filter((n) => n % 30 === 0)],
  ["service=db&limit=9", everything.filter((n) => n % 3 === 0)],
  ["service=nobody", []],
  ["status=queued", []],
])("the pages of %s together are all of it, each once", async (query, expected) => {
  expect(await all(query)).toEqual(expected.map(idOf));
});

test("the last page says that it is, also when it is full", async () => {
  expect((await page("?service=nobody")).next).toBeNull();
  expect((await page("?status=rolled_back&limit=50")).next).toBeNull();
  expect((await page("?status=rolled_back&limit=49")).next).toBe(`${CREATED_AT + 5}-d010`);
});

test("a page begins after a place in time, whether or not that deployment is still there", async () => {
  const { deployments } = await page(`?before=${CREATED_AT + 5}-d010x&limit=1`);
  expect(deployments.map(({ id }) => id)).toEqual(["d010"]);
});

for (const query of [
  "?limit=0",
  "?limit=201",
  "?limit=-1",
  "?limit=",
  "?limit=1.5",
  "?limit=x",
  "?limit=5&limit=6",
  "?status=done",
  "?status=",
  "?service=",
  `?service=${"x".repeat(256)}`,
  "?before=",
  "?before=d010",
  "?before=1-",
  "?before=1-d%27",
  "?page=2",
]) {
  test(`${query.slice(0, 40)} is 400 and says what is allowed`, async () => {
    const reply = await get(query);
    expect([reply.status, await reply.text()]).toEqual([
      400,
      'allowed are service=<name>, status=queued|running|succeeded|failed|rolled_back|rollback_failed|superseded, limit=1 to 200 (50 if not given), before=<"next" of the page before>; each at most once\n',
    ]);
  });
}

test("it needs a token, and that is judged before the parameters", async () => {
  for (const query of ["", "?limit=0"]) expect((await get(query, {})).status).toBe(401);
});

test("anything but GET is 405", async () => {
  const reply = await app.request("/deployments", { method: "POST", headers: AUTHORIZED }, NO_NETWORK);
  expect([reply.status, reply.headers.get("Allow")]).toEqual([405, "GET, HEAD"]);
});
