import { expect, test } from "bun:test";

import { withShortWatch } from "./short-watch.ts";

test("every service without a watch of its own gets one, and all else stays as it is written", () => {
  const text = `# a comment
services:
  web: # the first
    image: "registry:5000/web:v1"   # odd   spaces
    ports: ["8080"]
  flow: { image: web, ports: ["1"] }
  "quoted.name":
      image: web
  own:
    image: web
    x-deployer: { watch: 20s }
  some:
    image: web
    x-deployer: { images: ["a{b"] }
  block:
    image: web
    x-deployer:
      strategy: rolling
volumes:
  web: {}
`;
  expect(withShortWatch(text)).toBe(`# a comment
services:
  web: # the first
    x-deployer: { watch: 1s }
    image: "registry:5000/web:v1"   # odd   spaces
    ports: ["8080"]
  flow: { x-deployer: { watch: 1s }, image: web, ports: ["1"] }
  "quoted.name":
      x-deployer: { watch: 1s }
      image: web
  own:
    image: web
    x-deployer: { watch: 20s }
  some:
    image: web
    x-deployer: { watch: 1s, images: ["a{b"] }
  block:
    image: web
    x-deployer:
      watch: 1s
      strategy: rolling
volumes:
  web: {}
`);
});

test.each([
  ["not YAML", "services: [\n"],
  ["not a mapping", "- services\n"],
  ["without services", "volumes: {}\n"],
  ["without any service", "services: {}\n"],
  ["with a service that is no mapping", "services:\n  web:\n  other: text\n"],
  ["of one line", "services: { web: { image: web } }\n"],
  ["with services that are the same node", "services:\n  web: &web\n    image: web\n  other: *web\n"],
])("a file %s stays as it is", (_what, text) => {
  expect(withShortWatch(text)).toBe(text);
});
