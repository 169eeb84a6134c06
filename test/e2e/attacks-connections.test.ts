import { afterAll, beforeAll, expect, test } from "bun:test";

import { encoded, valid } from "../contract/http-case.ts";
import { type HttpWorld, startHttpWorld } from "../contract/http-world.ts";
import type { Daemon } from "../support/daemon.ts";
import { type Connection, connect } from "../support/raw-http.ts";
import { waitFor } from "../support/wait.ts";

const SETUP_DEADLINE = 60_000;
const CONNECTIONS = 1000;
const SLOW_BODIES = 50;
/** Of one request of others; a whole machine of tests runs beside it. */
const OTHERS_DEADLINE = 5_000;
/** Another request as soon as one is answered, and this after it, for as long as the attack lasts. */
const OTHERS_PAUSE = 50;
/** An attack lasts 12 s: were one of the requests to wait for it, there would be fewer. */
const OTHERS_AT_LEAST = 30;
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
    const others = askMeanwhile(daemon);
    const deploy = await daemon.request("POST", "/deploy", {
      headers: { Authorization: valid(world) },
      body: encoded({ service: "web" }),
      deadline: OTHERS_DEADLINE,
    });
    // The attacks run side by side, and a newer deployment of one service takes the place of a waiting one.
    expect(deploy.text).toMatch(/^deploy request successful for service web\n$|^superseded by \w+\n$/);
    await waitFor("all of them to be cut", CUT_DEADLINE, () => connections.every((one) => one.isClosed()));
    const statuses = await others.end();
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(statuses.length).toBeGreaterThan(OTHERS_AT_LEAST);
    expect(daemon.rss()).toBeLessThan(MAX_RESIDENT);
    expect(connections.map((one) => one.received()).filter((text) => text.includes(" 200 "))).toEqual([]);
  },
);

/** `GET /health` again and again, each on a connection of its own as another caller has. */
function askMeanwhile(daemon: Daemon): { end(): Promise<number[]> } {
  const over = new AbortController();
  const asking = (async () => {
    const statuses: number[] = [];
    while (!over.signal.aborted) {
      const headers = { Connection: "close" };
      statuses.push((await daemon.request("GET", "/health", { headers, deadline: OTHERS_DEADLINE })).status);
      await Bun.sleep(OTHERS_PAUSE);
    }
    return statuses;
  })();
  asking.catch(() => undefined);
  return {
    end() {
      over.abort();
      return asking;
    },
  };
}
