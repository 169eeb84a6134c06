import { expect, test } from "bun:test";

import { oneOffProject } from "./one-off.ts";
import { parseResolved } from "./resolved.ts";

function oneOff(recorded: string): string {
  return oneOffProject(parseResolved(recorded, recorded), "web");
}

function adapted(fields: Record<string, unknown>): unknown {
  const recorded = {
    name: "shop",
    services: { web: fields, db: { image: "db:v1", build: "." } },
    volumes: { data: {} },
  };
  return JSON.parse(oneOff(JSON.stringify(recorded)));
}

test("it is neither pulled nor built, and depends on nothing", () => {
  expect(
    adapted({ image: "web:v2", build: { context: "." }, pull_policy: "always", depends_on: { db: {} } }),
  ).toEqual({
    name: "shop",
    services: { web: { image: "web:v2", pull_policy: "never" }, db: { image: "db:v1", build: "." } },
    volumes: { data: {} },
    secrets: {},
    configs: {},
  });
});

test("it takes no address that is another container's", () => {
  const networks = {
    default: null,
    back: {
      aliases: ["spare"],
      ipv4_address: "10.0.0.2",
      ipv6_address: "fd00::2",
      mac_address: "02:42:0a:00:00:02",
    },
  };
  expect(adapted({ networks, mac_address: "02:42:0a:00:00:03" })).toMatchObject({
    services: { web: { networks: { default: null, back: { aliases: ["spare"] } }, pull_policy: "never" } },
  });
  expect(JSON.stringify(adapted({ networks, mac_address: "02:42:0a:00:00:03" }))).not.toMatch(/address/);
});

test("everything else is as it was recorded, numbers beyond JavaScript's and dollars too", () => {
  const recorded = `{"name":"shop","services":{"web":{"environment":{"PRICE":"$$5"},"ulimits":{"nofile":9223372036854775807}}}}`;
  const text = oneOff(recorded);
  expect(text).toContain("9223372036854775807");
  expect(text).toContain('"$$5"');
});

test("a service that is not there is an error", () => {
  expect(() => oneOff('{"name":"shop","services":{}}')).toThrow(
    'the recorded configuration has no service "web"',
  );
});
