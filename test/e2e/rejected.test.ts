import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";

import { requestHash } from "../../src/tokens/request-hash.ts";
import { startAlone } from "../contract/refused-start.ts";
import type { Daemon } from "../support/daemon.ts";
import { newKeys, signToken } from "../support/keys.ts";
import { attempt, BASE_ENV, type Result } from "../support/run.ts";
import { stage } from "../support/stage.ts";

const ESCAPE = "\u001b[2J";
/** Long enough to be no accident, short enough for a value cut by a log. */
const PART = 40;

const Rejected = z.object({
  rejected: z.array(
    z.strictObject({
      at: z.iso.datetime(),
      remote: z.string(),
      method: z.string(),
      path: z.string(),
      code: z.string(),
      cause: z.string(),
      verified: z.boolean(),
      claims: z.record(z.string(), z.unknown()).nullable(),
      unlisted: z.number(),
    }),
  ),
});

let daemon: Daemon;
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  daemon = cleanup.use(await startAlone());
});

afterAll(() => cleanup.disposeAsync());

function command(of: Daemon, ...args: string[]): Promise<Result> {
  const env = { ...BASE_ENV, HOME: of.env["HOME"] ?? "", RUN_DIR: of.env["RUN_DIR"] ?? "" };
  return attempt([stage().binary, ...args], { env });
}

async function rejectedBy(of: Daemon, ...args: string[]) {
  const { stdout, stderr } = await command(of, "rejected", "--json", ...args);
  expect(stderr).toBe("");
  return Rejected.parse(JSON.parse(stdout)).rejected;
}

test("who may not is told nothing, the person on the host all but the token, also after a kill -9", async () => {
  const body = '{"service":"web"}';
  const req = requestHash("POST", "/deploy", body);
  const forged = await signToken(newKeys(), { iss: `${ESCAPE}evil\u202e`, jti: "x".repeat(5_000) });
  const expired = await daemon.token({ exp: 1_795_435_200 });
  const bound = await daemon.token({ jti: "captured", req });
  const tokens = [forged, expired, bound];
  const sent: [token: string | undefined, path: string][] = [
    [undefined, "/deploy?token=in-the-query"],
    [forged, "/deploy"],
    [expired, "/deploy"],
    [bound, "/rollback"],
    [forged, `/deployments/${forged}`],
  ];
  const seen: unknown[] = [];
  for (const [token, path] of sent) {
    const method = path.startsWith("/deployments") ? "GET" : "POST";
    const reply = await daemon.request(method, path, {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      ...(method === "POST" ? { body } : {}),
    });
    for (const name of ["Date", "X-Request-Id"]) reply.headers.delete(name);
    seen.push([reply.status, reply.text, [...reply.headers].toSorted(([a], [b]) => (a < b ? -1 : 1))]);
  }
  expect(seen).toEqual(sent.map(() => seen[0]));
  expect(seen[0]).toEqual([401, "unauthorized\n", expect.anything()]);

  const told = await rejectedBy(daemon);
  const common = { remote: "127.0.0.1", code: "unauthorized", unlisted: 0, at: expect.any(String) };
  const claimsOfForged = {
    iss: `${ESCAPE}evil\u202e`,
    exp: expect.any(Number),
    jti: expect.stringMatching(/^x{300}…$/),
  };
  expect(told).toEqual([
    {
      ...common,
      method: "GET",
      path: "/deployments/[redacted]",
      cause: "token signature is invalid",
      verified: false,
      claims: claimsOfForged,
    },
    {
      ...common,
      method: "POST",
      path: "/rollback",
      cause: expect.stringMatching(/^the token is for another request/),
      verified: true,
      claims: { iss: "github-actions", exp: expect.any(Number), jti: "captured", req },
    },
    {
      ...common,
      method: "POST",
      path: "/deploy",
      cause: expect.stringMatching(/^expired: exp is 1795435200/),
      verified: false,
      claims: { iss: "github-actions", exp: 1_795_435_200 },
    },
    {
      ...common,
      method: "POST",
      path: "/deploy",
      cause: "token signature is invalid",
      verified: false,
      claims: claimsOfForged,
    },
    {
      ...common,
      method: "POST",
      path: "/deploy",
      cause: "no token in the Authorization header",
      verified: false,
      claims: null,
    },
  ]);
  const table = await command(daemon, "rejected", "--limit", "2");
  expect(table.stdout.split("\n")).toHaveLength(4);
  expect(table.stdout).toContain('not verified {"iss":"\\u001b[2Jevil\\u202e"');

  // It was asked for above, so it is written.
  expect(await daemon.stop("SIGKILL")).toBe(137);
  const again = cleanup.use(await daemon.startAgain());
  expect(await rejectedBy(again)).toEqual(told);
  expect(await rejectedBy(again, "--limit", "1")).toEqual(told.slice(0, 1));
  const printed = [table.stdout, (await command(again, "rejected", "--json")).stdout];
  for (const text of printed) expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202e]/u);
  const everywhere = [
    ...printed,
    daemon.noise() + again.noise(),
    ...daemon
      .log()
      .concat(again.log())
      .map((line) => JSON.stringify(line)),
    ...files(again.stateDir),
  ];
  for (const token of tokens) {
    for (const part of token.split("."))
      expect(everywhere.filter((text) => text.includes(part.slice(-PART)))).toEqual([]);
  }
  expect(everywhere.filter((text) => text.includes("in-the-query"))).toEqual([]);
  daemon = again;
});

test("the route of the socket is not on the port", async () => {
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  expect((await daemon.request("GET", "/rejected", { headers })).status).toBe(404);
});

test("X-Forwarded-For is believed from a trusted proxy, and from nobody else", async () => {
  const ask = async (of: Daemon, forwarded: string) => {
    const reply = await of.request("POST", "/deploy", { headers: { "X-Forwarded-For": forwarded } });
    const id = reply.headers.get("X-Request-Id");
    const line = await of.waitForLog(({ fields }) => fields?.["request_id"] === id);
    return [line.fields?.["remote"], (await rejectedBy(of, "--limit", "1"))[0]?.remote];
  };
  expect(await ask(daemon, "203.0.113.9")).toEqual(["127.0.0.1", "127.0.0.1"]);
  await using behind = await startAlone({ env: { TRUSTED_PROXIES: "127.0.0.0/8, 10.0.0.0/8" } });
  expect(await ask(behind, "1.1.1.1, 203.0.113.9, 10.1.2.3")).toEqual(["203.0.113.9", "203.0.113.9"]);
  expect(await ask(behind, "1.1.1.1, 2001:db8::7")).toEqual(["2001:db8::7", "2001:db8::7"]);
  expect(await ask(behind, `1.1.1.1, ${"x".repeat(99)}`)).toEqual(["127.0.0.1", "127.0.0.1"]);
});

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
}
