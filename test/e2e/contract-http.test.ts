import { afterAll, beforeAll, expect, test } from "bun:test";

import { BODY_CASES } from "../contract/body-cases.ts";
import { expectedReply } from "../contract/expected-reply.ts";
import { encoded, type HttpCase, valid } from "../contract/http-case.ts";
import { type HttpWorld, startHttpWorld } from "../contract/http-world.ts";
import { IMAGE_CASES } from "../contract/image-cases.ts";
import { ROUTE_CASES } from "../contract/route-cases.ts";
import { cell, quoted, readTables, type Row } from "../contract/table.ts";
import { TOKEN_CASES } from "../contract/token-cases.ts";
import { ask, type RawReply } from "../support/raw-http.ts";

const SETUP_DEADLINE = 60_000;

const CASES = new Map(
  [ROUTE_CASES, TOKEN_CASES, BODY_CASES, IMAGE_CASES].flatMap((cases) => Object.entries(cases)),
);
const [rows = []] = await readTables();

let world: HttpWorld;

beforeAll(async () => {
  world = await startHttpWorld();
}, SETUP_DEADLINE);

afterAll(() => world[Symbol.asyncDispose](), SETUP_DEADLINE);

test("every row of the HTTP table has its request, and every request its row", () => {
  expect(rows.length).toBeGreaterThan(60);
  expect([...CASES.keys()].toSorted()).toEqual([...new Set(rows.map((row) => cell(row, "case")))].toSorted());
});

for (const row of rows) {
  test(`${cell(row, "case")}: ${cell(row, "request")} is answered as the table says`, async () => {
    const given = CASES.get(cell(row, "case"));
    if (given === undefined) throw new Error("no request for this row");
    const promised = expectedReply(row);
    const expected = {
      status: promised?.status ?? given.status,
      text: promised?.text ?? valueOf(given.text),
    };
    await given.before?.(world);
    const reply = await send(row, given);
    expect({ status: reply.status, text: reply.text }).toEqual({
      status: expected.status ?? Number.NaN,
      text: expected.text ?? "the row says no text, and its request neither",
    });
    expectTheUsualHeaders(reply);
    if (reply.status === 405 || promised?.allow !== undefined) expect(reply.headers.has("Allow")).toBe(true);
    if (promised?.allow !== undefined && promised.allow !== "") {
      expect(reply.headers.get("Allow")).toBe(promised.allow);
    }
    await given.after?.(world, reply, (instead) => send(row, instead), row);
  });
}

function send(row: Row, given: HttpCase): Promise<RawReply> {
  const { method, target } = requestLine(row);
  const isDeploy = target === "/deploy";
  const authorization =
    given.authorization === undefined
      ? isDeploy && method === "POST"
        ? valid(world)
        : undefined
      : given.authorization(world);
  const body = given.body === undefined && isDeploy ? encoded({ service: "web" }) : valueOf(given.body);
  return ask((given.debug === true ? world.debugDaemon : world.daemon).port, {
    method,
    target,
    headers: [
      ...(authorization === undefined ? [] : [["Authorization", authorization] as const]),
      ...(given.headers ?? []),
    ],
    ...(body === undefined ? {} : { body }),
  });
}

/** `GET /health`; the prose of some rows follows it. */
function requestLine(row: Row): { method: string; target: string } {
  const [method, target, ...rest] = (quoted(cell(row, "request"))[0] ?? "").split(" ");
  if (method === undefined || target === undefined || rest.length > 0) {
    throw new Error(`no request line in ${JSON.stringify(row)}`);
  }
  return { method, target };
}

function expectTheUsualHeaders({ status, headers, text }: RawReply): void {
  const type = text.startsWith("{") ? "application/json" : "text/plain; charset=utf-8";
  expect(headers.get("Content-Type")).toBe(type);
  expect(headers.get("X-Request-Id")).toMatch(/^[\w-]+$/);
  if (status >= 400) expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
}

function valueOf(given: string | ((world: HttpWorld) => string) | undefined): string | undefined {
  return typeof given === "function" ? given(world) : given;
}
