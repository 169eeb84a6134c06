import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { placed } from "./complaint-place.ts";

const folder = mkdtempSync(join(tmpdir(), "place-"));
const file = join(folder, "docker-compose.yml");
const included = join(folder, "other.yml");

beforeAll(() => {
  writeFileSync(
    file,
    `servces: {}
services:
  web:
    imaje: web
    ports:
      - "80"
      - target: 80
        publishd: 5
    healthcheck:
      tset: a
    mem_limit: many
networks:
  front:
    drver: x
`,
  );
  writeFileSync(included, "services:\n\n  db:\n    imaje: db\n");
});

afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  [`validating ${file}: services.web Additional property imaje is not allowed`, "4"],
  [`validating ${file}: (root) Additional property servces is not allowed`, "1"],
  [`validating ${file}: services.web.healthcheck Additional property tset is not allowed`, "10"],
  [`validating ${file}: services.web.ports.1 Additional property publishd is not allowed`, "8"],
  [`validating ${file}: networks.front Additional property drver is not allowed`, "14"],
  [`validating ${file}: services.web.ports must be a list`, "5"],
  ["error while interpolating services.web.ports.[].target: failed to cast to expected type", "5"],
  ["invalid interpolation format for services.web.mem_limit", "11"],
  ["error decoding 'services[web].mem_limit': invalid size", "11"],
  ['service "web" depends on undefined service "db": invalid compose project', "3"],
])("%s: is told with its line", (complaint, line) => {
  const text = complaint.replace(`validating ${file}: `, "");
  expect(placed(complaint, file)).toBe(`docker-compose.yml:${line}: ${text}`);
});

test("what is wrong with an included file has the line there", () => {
  const text = "services.db Additional property imaje is not allowed";
  expect(placed(`validating ${included}: ${text}`, file)).toBe(`other.yml:4: ${text}`);
});

test.each([
  ["that has a line already", "yaml: line 3: found a tab character"],
  ["of a service that is not in the file", 'service "api" refers to undefined network x'],
  ["of a name with a dot, which could be anything", `validating ${file}: services.my.web must be a mapping`],
  ["that names no place", "empty compose file"],
  ["of a file that is not there", "validating /nowhere/a.yml: services.web must be a mapping"],
])("a complaint %s stays as it is", (_, complaint) => {
  expect(placed(complaint, file)).toBe(complaint);
});
