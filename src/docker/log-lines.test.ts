import { expect, test } from "bun:test";

import { framedLines, lastLine, rawLines, type LogLines } from "./log-lines.ts";

const STDOUT = 1;
const STDERR = 2;

function frame(stream: number, payload: string | Uint8Array): Buffer {
  const body = Buffer.from(payload);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

function collect(lines: LogLines, bytes: Uint8Array, chunkSize: number): string[] {
  for (let start = 0; start < bytes.length; start += chunkSize)
    lines.push(bytes.subarray(start, start + chunkSize));
  return lines.end();
}

test.each([1, 3, 7, 8, 9, 4096])("frames are put together from chunks of %d bytes", (chunkSize) => {
  const bytes = Buffer.concat([
    frame(STDOUT, "first\nsec"),
    frame(STDERR, "warning ä€\n"),
    frame(STDOUT, ""),
    frame(STDOUT, "ond\n"),
    frame(STDERR, "unfinished"),
  ]);
  expect(collect(framedLines(10), bytes, chunkSize)).toEqual(["first", "warning ä€", "second", "unfinished"]);
});

test("a character cut between two frames is whole again", () => {
  const euro = Buffer.from("€");
  const bytes = Buffer.concat([
    frame(STDOUT, euro.subarray(0, 1)),
    frame(STDOUT, euro.subarray(1)),
    frame(STDOUT, "\n"),
  ]);
  expect(collect(framedLines(10), bytes, 5)).toEqual(["€"]);
});

test("only the last lines are kept", () => {
  const bytes = frame(STDOUT, Array.from({ length: 100 }, (_, line) => `line ${line}\n`).join(""));
  expect(collect(framedLines(2), bytes, 64)).toEqual(["line 98", "line 99"]);
});

test("a container with a terminal prints one raw stream", () => {
  expect(collect(rawLines(10), Buffer.from("one\r\ntwo\r\n"), 2)).toEqual(["one", "two"]);
});

test.each([
  ["\u001b[1;31mred\u001b[0m", "red"],
  ["\u001b]0;title\u0007text", "text"],
  ["\u001b]8;;https://x.example\u001b\\link\u001b]8;;\u001b\\", "link"],
  ["\u001b(Bplain\u001b7", "plain"],
  ["10%\r50%\r100%", "100%"],
  ["a\tb\u0000\u0007\u009bc", "a bc"],
  ["left\u202eright\u2066", "leftright"],
])("%j is shown as %j", (printed, shown) => {
  expect(collect(rawLines(10), Buffer.from(`${printed}\n`), 4096)).toEqual([shown]);
});

test("a line without end is cut and does not grow in memory", () => {
  const lines = rawLines(10);
  const chunk = Buffer.from("x".repeat(64 * 1024));
  for (let i = 0; i < 200; i += 1) lines.push(chunk);
  expect(lines.end()).toEqual([`${"x".repeat(2_000)}…`]);
});

test("bytes that are not UTF-8 do not stop the rest", () => {
  expect(collect(rawLines(10), Buffer.from([0xff, 0xfe, 0x61, 0x0a]), 1)).toEqual(["\ufffd\ufffda"]);
});

test("what is no frame is dropped instead of waited for", () => {
  const lines = framedLines(10);
  lines.push(frame(STDOUT, "good\n"));
  lines.push(Buffer.from("HTTP/1.1 500 what is this\n"));
  expect(lines.end()).toEqual(["good"]);
});

test.each([
  ["", ""],
  ["one", "one"],
  ["progress 10%\rprogress 20%\ncurl: (22) 503 \r\n", "curl: (22) 503"],
  ["\u001b[31m  it failed\u001b[0m\n \n\n", "it failed"],
  ["\n\n", ""],
])("of %j the last line with something to show is %j", (text, line) => {
  expect(lastLine(text)).toBe(line);
});
