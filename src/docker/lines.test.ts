import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { linesOf } from "./lines.ts";

const FILE = `# a comment
x-deployer:
  edge: { http: 80,
          https: 443 }
services:

  web:
    image: web:v1
    ports: ["80:80"]
    x-deployer:
      port: 3000
      route:
        - host: shop.example.com
        - { host: api.example.com,
            path: /v1 }
      "drain": 10s
  12: # a name that could be a number
    x-deployer: { watch: 5 }
`;

const at = (text: string, keys: string): string => linesOf("docker-compose.yml", text)(keys.split(" "));

test.each([
  ["x-deployer", 2],
  ["x-deployer edge", 3],
  ["x-deployer edge https", 4],
  ["services web ports", 9],
  ["services web x-deployer", 10],
  ["services web x-deployer port", 11],
  ["services web x-deployer route", 12],
  ["services web x-deployer route 0", 13],
  ["services web x-deployer route 1", 14],
  ["services web x-deployer route 1 path", 15],
  ["services web x-deployer drain", 16],
  ["services 12 x-deployer watch", 18],
])("%s is on line %d", (keys, line) => {
  expect(at(FILE, keys)).toBe(`docker-compose.yml:${line}: `);
});

test.each([
  ["x-deployer edge certs", 3],
  ["services web x-deployer health path", 10],
  ["services web x-deployer route 2", 12],
  ["services web x-deployer route 1 path 0", 15],
])("%s is not there: what it belongs to is", (keys, line) => {
  expect(at(FILE, keys)).toBe(`docker-compose.yml:${line}: `);
});

describe("there is no line", () => {
  test.each(["services web volumes", "services other x-deployer port", "x-other edge"])(
    "for %s, of which nothing is in the file",
    (keys) => {
      expect(at(FILE, keys)).toBe("");
    },
  );

  test.each([
    ["no YAML", "services: [\n"],
    ["with a key twice", "services: {web: {ports: []}}\nservices: {web: {ports: []}}\n"],
    ["with two documents", "services: {web: {ports: []}}\n---\nservices: {web: {ports: []}}\n"],
    ["empty", ""],
    ["a text", "services web ports"],
    ["with services that are none", "services: 7\n"],
  ])("in a file that is %s", (_, text) => {
    expect(at(text, "services web ports")).toBe("");
  });

  test("for what a service may have from the one it extends, but for x-deployer, which is not merged", () => {
    const text =
      "services:\n  web:\n    extends: { file: base.yml, service: web }\n    ports: []\n    x-deployer: {}\n";
    expect(at(text, "services web ports")).toBe("");
    expect(at(text, "services web x-deployer port")).toBe("docker-compose.yml:5: ");
  });
});

describe("what is written elsewhere in the file has the line of that", () => {
  test.each([
    ["by an alias", "x-a: &a\n  port: 1\nservices:\n  web:\n    x-deployer: *a\n", 2],
    ["by a merge", "x-a: &a\n  port: 1\nservices:\n  web:\n    x-deployer: { <<: *a, watch: 1s }\n", 2],
    ["by a merge of the service", "x-a: &a\n  x-deployer:\n    port: 1\nservices:\n  web: { <<: *a }\n", 3],
    [
      "by the first of several merges",
      "x-a: &a\n  port: 1\nx-b: &b\n  port: 2\nservices:\n  web:\n    x-deployer:\n      <<: [*b, *a]\n",
      4,
    ],
    [
      "unless it is said here",
      "x-a: &a\n  port: 1\nservices:\n  web:\n    x-deployer:\n      <<: *a\n      port: 2\n",
      7,
    ],
  ])("%s", (_, text, line) => {
    expect(at(text, "services web x-deployer port")).toBe(`docker-compose.yml:${line}: `);
  });

  test("and an anchor that leads to itself leads nowhere", () => {
    const text = "services:\n  web:\n    x-deployer: &a\n      <<: *a\n";
    expect(at(text, "services web x-deployer port")).toBe("docker-compose.yml:3: ");
  });
});

test("lines that end as on Windows are counted once", () => {
  expect(at(FILE.replaceAll("\n", "\r\n"), "services web x-deployer port")).toBe("docker-compose.yml:11: ");
});

test("whatever the file is, it is either a line of it or none", () => {
  const pieces = ["services", ":", " ", "\n", "web", "x-deployer", "{", "}", "&a", "*a", "<<", "- "];
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 40 }), (parts) => {
      const text = parts.join("");
      const said = at(text, "services web x-deployer");
      expect(said).toMatch(/^(?:docker-compose\.yml:\d+: )?$/);
      expect(Number(said.split(":")[1] ?? 1)).toBeLessThanOrEqual(text.split("\n").length);
    }),
  );
});
