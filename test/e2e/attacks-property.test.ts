import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  array,
  assert,
  asyncProperty,
  constantFrom,
  double,
  integer,
  jsonValue,
  oneof,
  record,
  string,
  uint8Array,
} from "fast-check";

import { forge } from "../../src/tokens/test-keys.ts";
import { base64, claims, RS256, seconds, valid } from "../contract/http-case.ts";
import { type HttpWorld, startHttpWorld } from "../contract/http-world.ts";
import { ask, type RawReply } from "../support/raw-http.ts";

const SETUP_DEADLINE = 60_000;
const REPLY_DEADLINE = 30_000;
const RUNS = 300;

let world: HttpWorld;
let requests = 0;

beforeAll(async () => {
  world = await startHttpWorld();
}, SETUP_DEADLINE);

afterAll(() => world[Symbol.asyncDispose](), SETUP_DEADLINE);

const text = string({ unit: "binary", maxLength: 60 });
const service = oneof(constantFrom("web", "--help", "$(reboot)", "web\n", "__proto__", ""), text);
const fields = oneof(
  record(
    {
      service: oneof(service, jsonValue()),
      image: oneof(constantFrom("$IMAGE", "web:v1", "a/b@sha256:0", null), text, jsonValue()),
      force: oneof(constantFrom(false, null), jsonValue()),
    },
    { requiredKeys: [] },
  ).map((given) => JSON.stringify(given)),
  jsonValue().map((value) => JSON.stringify(value)),
  text,
);
const body = oneof(
  fields.map((json): string | Uint8Array => json),
  fields.map(base64),
  fields.map((json) => base64(json).replace(/.{4}/g, "$&\r\n")),
  fields.map((json) => base64(json).slice(1)),
  uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes)),
);

test("no body whatever under a good token is a fault of ours", async () => {
  await assert(
    asyncProperty(body, async (body) => {
      const reply = await deploy(valid(world), body);
      expect([200, 400, 404, 422]).toContain(reply.status);
      expect(reply.text).toMatch(/^[^\n]+\n$/);
    }),
    { numRuns: RUNS },
  );
});

const time = oneof(
  integer({ min: -100, max: 100 }).map((off) => seconds() + off),
  double({ noNaN: true }),
  jsonValue(),
);
const claimSet = record(
  { exp: time, iss: oneof(constantFrom("github-actions", ""), jsonValue()), nbf: time, iat: time },
  { requiredKeys: [] },
);
const header = oneof(
  constantFrom(RS256),
  record(
    {
      alg: oneof(constantFrom("RS256", "none", "HS256", "RS512", "ES256"), jsonValue()),
      typ: jsonValue(),
      crit: jsonValue(),
      kid: jsonValue(),
      jwk: jsonValue(),
    },
    { requiredKeys: [] },
  ),
);
const edit = record({
  at: double({ min: 0, max: 1, noNaN: true }),
  remove: integer({ min: 0, max: 3 }),
  put: string({ maxLength: 3 }),
});
const token = record({ header, claimSet, edits: array(edit, { maxLength: 3 }) });

test("no token whatever is a fault of ours, and a damaged one never gets in", async () => {
  await assert(
    asyncProperty(token, async ({ header, claimSet, edits }) => {
      const made = forge(world.key, header, claimSet);
      const sent = edits.reduce(damage, made);
      const reply = await deploy(`Bearer ${sent}`, base64('{"service":"nope"}'));
      expect([400, 401, 404]).toContain(reply.status);
      if (sent.trim() !== made) expect(reply.status).not.toBe(404);
    }),
    { numRuns: RUNS },
  );
});

test("of all tokens signed by the key those with good claims get in", async () => {
  const ahead = integer({ min: 10, max: 3500 });
  const issuer = string({ minLength: 1, maxLength: 50 });
  await assert(
    asyncProperty(ahead, issuer, jsonValue(), async (ahead, iss, extra) => {
      const made = forge(world.key, RS256, { ...claims({ exp: seconds() + ahead, iss }), extra });
      expect((await deploy(`Bearer ${made}`, base64('{"service":"nope"}'))).status).toBe(404);
    }),
    { numRuns: RUNS / 3 },
  );
});

test("after all of it the daemon lives, and nothing but JSON lines without a fault was printed", async () => {
  const { daemon } = world;
  expect((await daemon.request("GET", "/health")).status).toBe(200);
  expect(daemon.noise()).toBe("");
  expect(daemon.log().filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
});

/** Each from an address of its own: so many refusals of one would be answered late. */
function deploy(authorization: string, body: string | Uint8Array): Promise<RawReply> {
  const headers = [["Authorization", authorization]] as const;
  requests += 1;
  const from = `127.1.${requests >> 8}.${requests & 255}`;
  return ask(world.daemon.port, { method: "POST", target: "/deploy", headers, body, from }, REPLY_DEADLINE);
}

function damage(token: string, { at, remove, put }: { at: number; remove: number; put: string }): string {
  const start = Math.floor(at * token.length);
  return token.slice(0, start) + put + token.slice(start + remove);
}
