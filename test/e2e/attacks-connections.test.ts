import { afterAll, beforeAll, expect, test } from "bun:test";

import { encoded, valid } from "../contract/http-case.ts";
import { type HttpWorld, startHttpWorld } from "../contract/http-world.ts";
import { type Connection, connect } from "../support/raw-http.ts";
import { waitFor } from "../support/wait.ts";

const SETUP_DEADLINE = 60_000;
const CONNECTIONS = 1000;
const SLOW_BODIES = 50;
/** Generous: what is shown is that others are served at all. */
const OTHERS_DEADLINE = 10_000;
/** The runtime gives a header about 12 s. */
const CUT_DEADLINE = 25_000;
const MAX_RESIDENT = 150 * 1024 ** 2;

let world: HttpWorld;

beforeAll(async () => {
  world = await startHttpWorld();
}, SETUP_DEADLINE);

afterAll(() => world[Symbol.asyncDispose](), SETUP_DEADLINE);

const ATTACKS: [what: string, count: number, bytes: string][] = [
  [
    `${CONNECTIONS} connections that never end their header`,
    CONNECTIONS,
    "POST /deploy HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
  ],
  [`${CONNECTIONS} connections that send nothing`, CONNECTIONS, ""],
  [
    `${SLOW_BODIES} requests without a token whose body never comes`,
    SLOW_BODIES,
    "POST /deploy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
  ],
];

test.concurrent.each(ATTACKS)(
  "%s: others are served meanwhile, and they are cut in the end",
  async (_, count, bytes) => {
    const { daemon } = world;
    await using stack = new AsyncDisposableStack();
    const connections: Connection[] = [];
    for (let left = count; left > 0; left--) {
      const connection = stack.use(await connect(daemon.port));
      if (bytes !== "") connection.send(bytes);
      connections.push(connection);
    }
    const health = await daemon.request("GET", "/health", { deadline: OTHERS_DEADLINE });
    expect(health.status).toBe(200);
    const deploy = await daemon.request("POST", "/deploy", {
      headers: { Authorization: valid(world) },
      body: encoded({ service: "web" }),
      deadline: OTHERS_DEADLINE,
    });
    // The attacks run side by side, and a newer deployment of one service takes the place of a waiting one.
    expect(deploy.text).toMatch(/^deploy request successful for service web\n$|^superseded by \w+\n$/);
    await waitFor("all of them to be cut", CUT_DEADLINE, () => connections.every((one) => one.isClosed()));
    expect(daemon.rss()).toBeLessThan(MAX_RESIDENT);
    expect(connections.map((one) => one.received()).filter((text) => text.includes(" 200 "))).toEqual([]);
  },
);
