import { expect, test } from "bun:test";
import fc from "fast-check";

import { duplicateKey } from "./duplicate-keys.ts";

const TEXTS: [json: string, key: string | undefined][] = [
  ["{}", undefined],
  ['{"a":1,"b":2}', undefined],
  ['{"a":1,"a":2}', "a"],
  ['{"a":{"a":1},"b":{"a":1}}', undefined],
  ['{"a":{"b":1,"c":[{"x":1},{"x":2}],"b":2}}', "b"],
  ['{"a":["a","a"],"b":"a"}', undefined],
  ['{"a":"b","b":":","c":"\\"c\\":"}', undefined],
  ['{"a":1,"\\u0061":2}', "a"],
  ['{"":1,"":2}', ""],
  ['{ "a" : 1 , "a" : 2 }', "a"],
  ['{"__proto__":1,"__proto__":2}', "__proto__"],
  ['[{"a":1},{"a":2}]', undefined],
];
test.each(TEXTS)("%s: %p", (json, key) => {
  expect(duplicateKey(json)).toBe(key as string);
});

test("what JSON.stringify writes has no key twice", () => {
  fc.assert(fc.property(fc.json(), (json) => duplicateKey(JSON.stringify(JSON.parse(json))) === undefined));
});
