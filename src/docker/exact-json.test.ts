import { expect, test } from "bun:test";
import fc from "fast-check";

import { canonicalJson, jsonForYaml, parseExactJson } from "./exact-json.ts";

test.each(["9223372036854775807", "-9223372036854775808", "9007199254740993", "1e400", "0.3", "5", "1.5e-7"])(
  "the number %s is written as it was read",
  (number) => {
    const value = parseExactJson(`{"b":${number},"a":[${number}]}`);
    expect(canonicalJson(value)).toBe(`{"a":[${number}],"b":${number}}`);
    expect(jsonForYaml(value)).toBe(`{\n "b": ${number},\n "a": [\n  ${number}\n ]\n}`);
  },
);

test("what YAML forbids within quotes is escaped, and reads as it was", () => {
  const text = "\u007f\u0085\u009f\u2028\u2029\ufeff\uffff";
  expect(jsonForYaml(text)).toBe('"\\u007f\\u0085\\u009f\\u2028\\u2029\\ufeff\\uffff"');
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), (key, value) => {
      expect(parseExactJson(jsonForYaml({ [key]: value }))).toEqual({ [key]: value });
    }),
  );
});
