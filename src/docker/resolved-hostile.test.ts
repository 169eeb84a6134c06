import { describe, expect, test } from "bun:test";

import { nowhere } from "../core/problem.ts";
import { parseResolved, toProject, withImages } from "./resolved.ts";

const HERE = { folder: "/srv", whereIs: nowhere };

/** `docker compose config --format json` of 2.26.1, as it came but for white space and escapes. */
const JSON_OUTPUT = `{
 "name": "shop",
 "networks": {
  "back": {
   "name": "shop_back",
   "ipam": {}
  },
  "default": {
   "name": "shop_default",
   "ipam": {}
  }
 },
 "services": {
  "web": {
   "blkio_config": {
    "weight_device": [
     {
      "Path": "/dev/sda",
      "Weight": 200
     }
    ],
    "device_read_bps": [
     {
      "Path": "/dev/sda",
      "Rate": "12582912"
     }
    ]
   },
   "command": null,
   "deploy": {
    "replicas": 2,
    "resources": {},
    "placement": {}
   },
   "entrypoint": [],
   "environment": {
    "CONTROL": "\\u0007\\u007f\\u0080\\u0085\\u2028\\ufeff|\\ud83d\\ude00",
    "DOLLAR": "a$$b",
    "EMPTY": "",
    "GIT_SHA": "12e4567",
    "LEADING": "\\n\\nlead\\n  x\\n\\n",
    "LONG": "90071992547409931234",
    "MARKS": "<&>'\\"\\\\ #: - ? | > ! % @ \`",
    "NULL": "null",
    "OCTAL": "0o17",
    "SINGLE": "$\${A} $$$$",
    "SPACED": "  a  ",
    "TILDE": "~",
    "UNDER": "1_000",
    "UNSET": null,
    "YES": "yes"
   },
   "extra_hosts": [
    "h=::1"
   ],
   "healthcheck": {
    "test": [
     "CMD",
     "a$$b"
    ],
    "timeout": "1.5s",
    "interval": "1m30s"
   },
   "image": "web:v1",
   "labels": {
    "12e4567": "1_000",
    "big": "9007199254740993",
    "yes": "no"
   },
   "networks": {
    "back": {
     "aliases": [
      "x"
     ]
    },
    "default": null
   },
   "ports": [
    {
     "mode": "ingress",
     "host_ip": "127.0.0.1",
     "target": 8080,
     "published": "80",
     "protocol": "tcp"
    }
   ],
   "ulimits": {
    "memlock": 9223372036854775807,
    "nofile": {
     "soft": 1,
     "hard": 2
    }
   }
  }
 }
}`;

/** Its `docker compose config` of the same file. */
const YAML_OUTPUT = `name: shop
services:
  web:
    blkio_config:
      weight_device:
        - path: /dev/sda
          weight: 200
      device_read_bps:
        - path: /dev/sda
          rate: "12582912"
    deploy:
      replicas: 2
    entrypoint: []
    environment:
      CONTROL: "\\a\\x7F\\x80\\N\\L\\uFEFF|\\U0001F600"
      DOLLAR: a$$b
      EMPTY: ""
      GIT_SHA: 12e4567
      LEADING: |2+

        lead
          x

      LONG: "90071992547409931234"
      MARKS: '<&>''"\\ #: - ? | > ! % @ \`'
      "NULL": "null"
      OCTAL: "0o17"
      SINGLE: $\${A} $$$$
      SPACED: '  a  '
      TILDE: "~"
      UNDER: "1_000"
      UNSET: null
      "YES": "yes"
    extra_hosts:
      - h=::1
    healthcheck:
      test:
        - CMD
        - a$$b
      timeout: 1.5s
      interval: 1m30s
    image: web:v1
    labels:
      12e4567: "1_000"
      big: "9007199254740993"
      "yes": "no"
    networks:
      back:
        aliases:
          - x
      default: null
    ports:
      - mode: ingress
        host_ip: 127.0.0.1
        target: 8080
        published: "80"
        protocol: tcp
    ulimits:
      memlock: 9223372036854775807
      nofile:
        soft: 1
        hard: 2
    x-deployer:
      images:
        - acme/web
networks:
  back:
    name: shop_back
  default:
    name: shop_default
`;

const resolved = parseResolved(JSON_OUTPUT, YAML_OUTPUT);

describe("values that YAML readers take for something else", () => {
  test.each([
    ["GIT_SHA", "12e4567"],
    ["LEADING", "\n\nlead\n  x\n\n"],
    ["OCTAL", "0o17"],
    ["YES", "yes"],
    ["NULL", "null"],
    ["UNDER", "1_000"],
    ["LONG", "90071992547409931234"],
    ["TILDE", "~"],
    ["DOLLAR", "a$$b"],
    ["SINGLE", "$${A} $$$$"],
    ["EMPTY", ""],
    ["SPACED", "  a  "],
    ["UNSET", null],
    ["CONTROL", "\u0007\u007f\u0080\u0085\u2028\ufeff|\u{1f600}"],
  ])("%s is %j, in a recorded configuration too", (name, value) => {
    for (const { services } of [resolved, recorded()])
      expect(services["web"]).toMatchObject({ environment: { [name]: value } });
  });

  test("are told apart by our configuration hash", () => {
    const hashOf = (sha: string): string | undefined =>
      toProject(
        parseResolved(JSON_OUTPUT.replace("12e4567", sha), YAML_OUTPUT),
        new Set(),
        HERE,
      ).services.get("web")?.configHash;
    expect(hashOf("12e4567")).not.toBe(hashOf("34e5678"));
    expect(hashOf("12e4567")).toBe(hashOf("12e4567"));
  });
});

test("a number beyond 2^53 is recorded as it is", () => {
  expect(withImages(resolved, new Map())).toContain('"memlock": 9223372036854775807,');
});

test("devices are recorded by the keys that Compose reads, not by those it writes", () => {
  expect(recorded().services["web"]).toMatchObject({
    blkio_config: {
      weight_device: [{ path: "/dev/sda", weight: 200 }],
      device_read_bps: [{ path: "/dev/sda", rate: "12582912" }],
    },
  });
});

test("what Compose's JSON says of an empty deploy is no configuration", () => {
  const { deploy: _, ...web } = resolved.services["web"] ?? {};
  const hashOf = (fields: NonNullable<(typeof resolved.services)[string]>): string | undefined =>
    toProject({ ...resolved, services: { web: fields } }, new Set(), HERE).services.get("web")?.configHash;
  expect(hashOf(resolved.services["web"] ?? {})).toBe(hashOf(web));
});

test("x-deployer is that of the YAML, where the JSON has none", () => {
  expect(JSON_OUTPUT).not.toContain("x-deployer");
  expect(toProject(resolved, new Set(), HERE).services.get("web")?.settings.images).toEqual(["acme/web"]);
});

test("a service whose name reads as a number in the YAML is refused, not left without its x-deployer", () => {
  const json = '{"name": "shop", "services": {"12e4567": {"image": "a"}}}';
  const yaml = "name: shop\nservices:\n  12e4567:\n    image: a\n    x-deployer: {images: [b]}\n";
  expect(() => parseResolved(json, yaml)).toThrow('service "12e4567"');
});

function recorded(): typeof resolved {
  return parseResolved(withImages(resolved, new Map()), YAML_OUTPUT);
}
