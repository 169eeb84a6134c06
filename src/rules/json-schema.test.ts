import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { jsonSchema } from "./json-schema.ts";

test("rules.schema.json is the form that the rules file is read with (npm run schema writes it anew)", () => {
  const text = readFileSync(`${import.meta.dir}/../../rules.schema.json`, "utf8");
  expect(JSON.parse(text)).toEqual(jsonSchema());
});
