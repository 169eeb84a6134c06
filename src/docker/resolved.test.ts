import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import type { Service } from "../core/compose.ts";
import { nowhere } from "../core/problem.ts";
import { hostFiles, parseResolved, type Resolved, toProject, withImages } from "./resolved.ts";

const HERE = { folder: "/srv", whereIs: nowhere };

/** What `docker compose config` prints of one service `web` with these lines. */
function webWith(lines: string): string {
  const fields = lines
    .split("\n")
    .map((line) => `    ${line}\n`)
    .join("");
  return `name: shop\nservices:\n  web:\n    image: web:v1\n${fields}networks:\n  default:\n    name: shop_default\n`;
}

/** Its JSON has the same values, and no `x-deployer` but that at the top. */
function parsed(yaml: string): Resolved {
  const project = Bun.YAML.parse(yaml) as Record<string, unknown>;
  const json = JSON.stringify(project, (key, value: unknown) =>
    key === "x-deployer" && value !== project[key] ? undefined : value,
  );
  return parseResolved(json, yaml);
}

function webOf(yaml: string): Service {
  const web = toProject(parsed(yaml), new Set(["web"]), HERE).services.get("web");
  if (web === undefined) throw new Error("no web");
  return web;
}

const hash = (lines: string): string => webOf(webWith(lines)).configHash;

test("a service as a rollout needs it", () => {
  const yaml = webWith(
    [
      "container_name: the-web",
      "depends_on:",
      "  db:",
      "    condition: service_healthy",
      "    required: true",
      "    restart: true",
      "  cache:",
      "    required: false",
      "deploy:",
      "  replicas: 2",
      "platform: linux/arm64",
      "ports:",
      "  - {target: 80, published: '8080'}",
      "volumes:",
      "  - {type: volume, source: data, target: /data}",
      "x-deployer:",
      "  shared_volumes: true",
      "  images: [ghcr.io/acme/web]",
    ].join("\n"),
  );
  expect(webOf(yaml)).toEqual({
    name: "web",
    image: "web:v1",
    builtImage: "shop-web",
    configHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    replicas: 2,
    containerName: "the-web",
    settings: {
      strategy: "auto",
      port: undefined,
      health: undefined,
      timeoutMs: undefined,
      watchMs: 10_000,
      before: [],
      drainCommand: undefined,
      images: ["ghcr.io/acme/web"],
      sharedVolumes: true,
      routes: [],
      drainMs: 30_000,
      holdMs: 30_000,
      holdMax: 2_000,
      resend: "idempotent",
    },
    hostPorts: [{ from: 8080, to: 8080 }],
    rollingObstacles: ["publishes host port 8080", "has the fixed container_name the-web"],
    platform: "linux/arm64",
    dependsOn: [
      { service: "db", condition: "service_healthy", required: true },
      { service: "cache", condition: "service_started", required: false },
    ],
    sharesWith: [],
    startedByDefault: true,
  });
});

test("a service shares with those whose namespaces and volumes it is given, not with containers outside the file", () => {
  const yaml = webWith(
    [
      "network_mode: service:vpn",
      "ipc: service:vpn",
      "pid: host",
      "volumes_from: [data:ro, container:elsewhere]",
    ].join("\n"),
  );
  expect(webOf(yaml).sharesWith).toEqual(["vpn", "data"]);
});

test("a service that is built here has no image of its own, and one of a profile is not started by default", () => {
  const project = toProject(
    parsed("name: shop\nservices:\n  tool:\n    build:\n      context: /srv\n    profiles: [ops]\n"),
    new Set(),
    HERE,
  );
  expect(project.services.get("tool")).toMatchObject({
    image: undefined,
    builtImage: "shop-tool",
    replicas: 1,
    startedByDefault: false,
  });
});

test("a project without services is a project", () => {
  expect(toProject(parsed("name: shop\nservices: {}\n"), new Set(), HERE).services.size).toBe(0);
});

test.each([
  ["scale: 3", 3],
  ["scale: 0", 0],
  ["deploy:\n  replicas: 4", 4],
  ["scale: 2\ndeploy:\n  replicas: 2", 2],
  ["deploy:\n  resources: {}", 1],
  ["deploy: null", 1],
])("%j wants %p containers", (lines, replicas) => {
  expect(webOf(webWith(lines)).replicas).toBe(replicas);
});

describe("our configuration hash", () => {
  const BASE = 'environment:\n  A: "1"\n  B: two\ncommand:\n  - run\n  - fast';

  test.each([
    "image: web:v2",
    "build:\n  context: /srv",
    "depends_on:\n  db:\n    condition: service_started\n    required: true",
    "scale: 3",
    "deploy:\n  replicas: 3",
    "profiles: [ops]",
    "pull_policy: always",
    "x-deployer:\n  images: [other]",
    "x-anything: 1",
  ])("does not see %j", (lines) => {
    expect(hash(`${BASE}\n${lines}`)).toBe(hash(BASE));
  });

  test.each([
    "command:\n  - fast\n  - run",
    'environment:\n  A: "2"\n  B: two',
    'environment:\n  A: "1"',
    "container_name: web",
    "hostname: web",
    'ports:\n  - mode: ingress\n    target: 80\n    published: "8080"\n    protocol: tcp',
    "volumes:\n  - type: bind\n    source: /a\n    target: /b",
    "restart: always",
    "networks:\n  default: null",
    "healthcheck:\n  test: [CMD, ok]",
    'deploy:\n  replicas: 3\n  resources:\n    limits:\n      memory: "1"',
    "labels:\n  a: b",
    "secrets:\n  - source: s",
    "stop_grace_period: 1s",
  ])("sees %j", (lines) => {
    expect(hash(`${BASE}\n${lines}`)).not.toBe(hash(BASE));
  });

  test("does not see the order of keys, and sees that of lists", () => {
    expect(hash('environment:\n  B: two\n  A: "1"\ncommand: [x]')).toBe(
      hash('command: [x]\nenvironment:\n  A: "1"\n  B: two'),
    );
    expect(hash("cap_add: [A, B]")).not.toBe(hash("cap_add: [B, A]"));
  });

  test("does not see the order of keys, however deep", () => {
    const reversed = (value: unknown): unknown =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .toReversed()
              .map(([key, nested]) => [key, reversed(nested)]),
          )
        : value;
    const hashOf = (labels: unknown): string =>
      webOf(JSON.stringify({ name: "shop", services: { web: { image: "web:v1", labels } } })).configHash;
    fc.assert(
      fc.property(fc.object({ maxDepth: 3, key: fc.stringMatching(/^[a-z_]{1,8}$/) }), (labels) => {
        const value: unknown = JSON.parse(JSON.stringify(labels));
        expect(hashOf(reversed(value))).toBe(hashOf(value));
      }),
    );
  });
});

describe("x-deployer", () => {
  test.each([
    ["x-deployer: {}", []],
    ["x-deployer: null", []],
    ["x-deployer:\n  images: [a/b, c]", ["a/b", "c"]],
  ])("%j allows %j", (lines, images) => {
    expect(webOf(webWith(lines)).settings.images).toEqual(images);
  });

  test("is judged with what else is said of the service", () => {
    const read = (): Service => webOf(webWith("network_mode: none\nx-deployer:\n  health: /"));
    expect(read).toThrow(expect.objectContaining({ code: "compose_file" }));
    expect(read).toThrow('service "web": x-deployer.health: with network_mode: none');
  });

  test("at the top of the file is for the edge, and its problems are told beside those of the services", () => {
    const yaml = `${webWith("x-deployer: {watch: 5}")}x-deployer: {strategy: rolling}\n`;
    expect(() => webOf(yaml)).toThrow(
      /^x-deployer\.strategy: unknown key, there are edge\nservice "web": x-deployer\.watch: needs a unit.*$/,
    );
  });

  test("at the top of the file asks for an edge, whose folders are beside the file as it is named", () => {
    const top = "x-deployer: {edge: {https: 443, certs: ./certs, acme_challenges: ../acme}}\n";
    const edgeOf = (text: string) => toProject(parsed(`${webWith("")}${text}`), new Set(), HERE).edge;
    expect(edgeOf(top)).toMatchObject({ https: 443, certs: "/srv/certs", challenges: "/acme" });
    for (const none of ["", "x-deployer: {}\n", "x-deployer: null\n"]) expect(edgeOf(none)).toBeUndefined();
  });

  test("has the value of the JSON at the top, where YAML would take a text for a number", () => {
    const json = '{"name": "shop", "x-deployer": {"edge": {"http": "80", "image": "12e4567"}}}';
    const yaml = 'name: shop\nx-deployer:\n  edge:\n    http: "80"\n    image: 12e4567\n';
    expect(toProject(parseResolved(json, yaml), new Set(), HERE).edge).toMatchObject({
      http: 80,
      image: "12e4567",
    });
  });

  test("is named with the line of what is wrong, where that is known", () => {
    const asked: (readonly string[])[] = [];
    const whereIs = (keys: readonly string[]): string => `f:${asked.push(keys)}: `;
    const yaml = `${webWith("x-deployer: {route: [{host: a}, {path: b}]}")}x-deployer: {edge: {certs: /c, http: 1}}\n`;
    expect(() => toProject(parsed(yaml), new Set(), { folder: "/srv", whereIs })).toThrow(
      /^f:1: x-deployer\.edge\.certs: .*\nf:2: service "web": x-deployer\.route\.1\.path: .*$/,
    );
    expect(asked).toEqual([
      ["x-deployer", "edge", "certs"],
      ["services", "web", "x-deployer", "route", "1", "path"],
    ]);
  });

  test("all problems are in one message, a line each", () => {
    const yaml = `name: shop\nservices:\n  a:\n    x-deployer: {one: 1}\n  b:\n    x-deployer: {two: 2}\n`;
    const read = (): unknown => toProject(parsed(yaml), new Set(), HERE);
    expect(read).toThrow(/^service "a": x-deployer.*one.*\nservice "b": x-deployer.*two.*$/);
  });
});

describe("the recorded configuration", () => {
  const YAML = `name: shop
services:
  web:
    image: web:v1
    environment:
      PRICE: $$5
      TEXT: "true"
      NUMBER: "0123"
      LINES: |
        one
          two
      KEPT: |+
        three

      QUOTED: 'it''s "this"'
    x-note: kept
  db:
    image: db:v1
  local:
    build:
      context: /srv
networks:
  default:
    name: shop_default
x-top: kept
`;

  test("has these image texts and all else as it was", () => {
    const resolved = parsed(YAML);
    const text = withImages(
      resolved,
      new Map([
        ["web", "web:v2@sha256:1"],
        ["local", "local:v1"],
        ["gone", "x"],
      ]),
    );
    expect(JSON.parse(text)).toEqual({
      name: "shop",
      services: {
        web: {
          image: "web:v2@sha256:1",
          environment: {
            PRICE: "$$5",
            TEXT: "true",
            NUMBER: "0123",
            LINES: "one\n  two\n",
            KEPT: "three\n\n",
            QUOTED: 'it\'s "this"',
          },
          "x-note": "kept",
        },
        db: { image: "db:v1" },
        local: { image: "local:v1", build: { context: "/srv" } },
      },
      networks: { default: { name: "shop_default" } },
      secrets: {},
      configs: {},
      "x-top": "kept",
    });
  });

  test("is one that reads as itself", () => {
    const text = withImages(parsed(YAML), new Map([["web", "web:v2"]]));
    expect(withImages(parsed(text), new Map())).toBe(text);
  });
});

test("the files that must be on the host are bind mounts, secrets and configs, each once", () => {
  const yaml = `name: shop
services:
  web:
    volumes:
      - {type: bind, source: /srv/conf, target: /conf, bind: {create_host_path: false}}
      - {type: bind, source: /srv/conf, target: /conf2}
      - {type: bind, source: /srv/made, target: /made, bind: {create_host_path: true}}
      - {type: volume, source: data, target: /data}
      - {type: tmpfs, target: /tmp}
secrets:
  key: {name: shop_key, file: /srv/key}
  outside: {name: outside, external: true}
configs:
  conf: {name: shop_conf, file: /srv/conf}
  inline: {name: inline, content: hello}
`;
  expect(hostFiles(parsed(yaml))).toEqual(["/srv/conf", "/srv/key"]);
});
