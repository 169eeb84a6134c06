import { expect, test } from "bun:test";

import { anything, assert, dictionary, property, string } from "fast-check";

import { Secret } from "../core/secret.ts";
import { createLog, type Level } from "./log.ts";

const NOON = Date.parse("2026-11-23T12:00:00.123Z");

function lines(act: (log: ReturnType<typeof createLog>) => void, level: Level = "info"): string[] {
  const written: string[] = [];
  act(
    createLog({ write: (line) => written.push(line), timeZone: "America/Chicago", now: () => NOON, level }),
  );
  return written;
}

function fieldsOf(fields: Record<string, unknown>): unknown {
  const [line = ""] = lines((log) => log.info("x", fields));
  return (JSON.parse(line) as { fields: unknown }).fields;
}

test("a line is one JSON object with its keys in order, in local time", () => {
  expect(lines((log) => log.info("listening", { port: 8686 }))).toEqual([
    '{"fields":{"port":8686},"level":"info","timestamp":"2026-11-23T06:00:00.123-06:00","message":"listening"}\n',
  ]);
});

test("fields are an empty object when there are none", () => {
  expect(lines((log) => log.error("oh"))[0]).toStartWith('{"fields":{},"level":"error",');
});

test("lines under the level are not written", () => {
  const all = (log: ReturnType<typeof createLog>) => {
    for (const level of ["debug", "info", "warn", "error", "fatal"] as const) log[level](level);
  };
  expect(lines(all).length).toBe(4);
  expect(lines(all, "debug").length).toBe(5);
  expect(lines(all, "fatal").length).toBe(1);
});

test("an error is its message, code, stack and cause, and none of its other properties", () => {
  const cause = new Error("connect refused");
  const error = Object.assign(new Error("cannot pull", { cause }), {
    code: "ECONNREFUSED",
    response: { body: "x" },
  });
  error.stack = "stack of error";
  cause.stack = "stack of cause";
  expect(fieldsOf({ error })).toEqual({
    error: {
      message: "cannot pull",
      code: "ECONNREFUSED",
      stack: "stack of error",
      cause: { message: "connect refused", stack: "stack of cause" },
    },
  });
});

test("a secret stays redacted", () => {
  expect(fieldsOf({ value: new Secret("hunter2"), list: [new Secret("hunter2")] })).toEqual({
    value: "[redacted]",
    list: ["[redacted]"],
  });
});

test("values JSON cannot hold are printed all the same", () => {
  const cyclic: Record<string, unknown> = { name: "loop" };
  cyclic["self"] = cyclic;
  const hostile = {
    get trap() {
      throw new Error("no");
    },
  };
  expect(
    fieldsOf({
      big: 12n,
      infinite: Infinity,
      when: new Date(NOON),
      map: new Map([["web", "v1"]]),
      set: new Set([1, 2]),
      bytes: new Uint8Array(3),
      call: () => 1,
      symbol: Symbol("s"),
      gone: undefined,
      nothing: null,
      hostile,
    }),
  ).toEqual({
    big: "12",
    infinite: "Infinity",
    when: "2026-11-23T12:00:00.123Z",
    map: { web: "v1" },
    set: [1, 2],
    bytes: "[3 bytes]",
    call: "[function]",
    symbol: "Symbol(s)",
    nothing: null,
    hostile: "[unprintable]",
  });
  expect(JSON.stringify(fieldsOf({ cyclic }))).toContain("[too deep]");
});

test("long text is cut at 8 KB, long lists at 100 items", () => {
  const [line = ""] = lines((log) =>
    log.info("m".repeat(50_000), { text: "t".repeat(50_000), list: Array(500).fill(1) }),
  );
  expect(line.length).toBeLessThan(17_000);
  expect((fieldsOf({ list: Array(500).fill(1) }) as { list: number[] }).list.length).toBe(100);
});

test("text can neither begin a new line nor command a terminal", () => {
  const [line = ""] = lines((log) =>
    log.info('a\nb\r\u001b[2J\u009b2J\u202e"', { "k\ny": "\u0000\u007f\u2028" }),
  );
  // oxlint-disable-next-line no-control-regex
  expect(line).toMatch(/^[^\u0000-\u001f\u007f-\u009f\u2028\u202e]+\n$/);
  expect(JSON.parse(line)).toMatchObject({ message: 'a\nb\r\u001b[2J\u009b2J\u202e"' });
});

test("whatever the fields hold, the result is one parsable line", () => {
  const value = anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
  });
  assert(
    property(string(), dictionary(string(), value), (message, fields) => {
      const written = lines((log) => log.warn(message, fields));
      expect(written.length).toBe(1);
      expect(written[0]?.indexOf("\n")).toBe((written[0]?.length ?? 0) - 1);
      JSON.parse(written[0] ?? "");
    }),
  );
});
