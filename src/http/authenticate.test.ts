import { expect, test } from "bun:test";

import { fakeDaemon, GOOD_TOKEN, NO_NETWORK } from "./fake-daemon.ts";
import { createApp } from "./server.ts";

const HEADERS: [authorization: string | undefined, status: number][] = [
  [`Bearer ${GOOD_TOKEN}`, 200],
  [`bearer ${GOOD_TOKEN}`, 200],
  [`BEARER   ${GOOD_TOKEN}`, 200],
  [`Bearer ${GOOD_TOKEN} `, 200],
  [undefined, 401],
  ["", 401],
  ["Bearer", 401],
  ["Bearer ", 401],
  ["Basic x", 401],
  [GOOD_TOKEN, 401],
  [`Bearer ${GOOD_TOKEN} ${GOOD_TOKEN}`, 401],
  [`Bearer ${GOOD_TOKEN}, Bearer ${GOOD_TOKEN}`, 401],
  [`Bearer: ${GOOD_TOKEN}`, 401],
  [`Bearer${GOOD_TOKEN}`, 401],
  [`Bearer ${"x".repeat(8192)}`, 401],
];
for (const [authorization, status] of HEADERS) {
  test(`${JSON.stringify(authorization)?.slice(0, 60)} is ${status}`, async () => {
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    const response = await createApp(fakeDaemon().daemon).request("/config", { headers }, NO_NETWORK);
    expect(response.status).toBe(status);
    expect(response.headers.get("WWW-Authenticate")).toBe(status === 401 ? "Bearer" : null);
  });
}

test("a fault of the check is a refusal, and its error is in the log", async () => {
  const fault = new TypeError("undefined is not a function");
  const { daemon, lines } = fakeDaemon({ verify: () => Promise.reject(fault) });
  const response = await createApp(daemon).request(
    "/config",
    { headers: { Authorization: "Bearer x" } },
    NO_NETWORK,
  );
  expect([response.status, await response.text()]).toEqual([401, "unauthorized\n"]);
  expect(lines[0]).toMatchObject({ level: "error", fields: { error: fault } });
});

test("the token is judged before a byte of the body is read", async () => {
  const { daemon, calls } = fakeDaemon();
  let pulled = 0;
  const body = new ReadableStream(
    {
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1024));
      },
    },
    { highWaterMark: 0 },
  );
  const init = { method: "POST", headers: { Authorization: "Bearer wrong" }, body };
  const response = await createApp(daemon).request("/deploy", init, NO_NETWORK);
  expect([response.status, pulled]).toEqual([401, 0]);
  expect(calls).toEqual(["verify"]);
});
