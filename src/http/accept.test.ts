import { expect, test } from "bun:test";

import { prefersJson } from "./accept.ts";

const HEADERS: [accept: string | undefined, json: boolean][] = [
  [undefined, false],
  ["", false],
  ["*/*", false],
  ["application/*", false],
  ["text/plain", false],
  ["text/html,application/xhtml+xml,*/*;q=0.8", false],
  ["application/json", true],
  ["Application/JSON; charset=utf-8", true],
  ["application/json, text/plain, */*", true],
  ["text/plain, application/json;q=0.5", false],
  ["text/plain;q=0.4, application/json;q=0.5", true],
  ["application/json;q=0", false],
  ["application/json;q=x", false],
  ["application/jsonp", false],
  ["application/vnd.api+json", false],
];
for (const [accept, json] of HEADERS) {
  test(`Accept ${JSON.stringify(accept)} asks for ${json ? "JSON" : "text"}`, () => {
    expect(prefersJson(accept)).toBe(json);
  });
}
