import { expect, test } from "bun:test";
import fc from "fast-check";

import { requestFor } from "../../test/fakes/deployment.ts";
import { project, service, settings } from "../../test/fakes/service.ts";
import { DeployerError, type ErrorCode } from "./errors.ts";
import { authorise, type DeployRequest, parseRequest, parseRollback } from "./request.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const base64 = (text: string): string => bytes(text).toBase64();
const WEB: DeployRequest = requestFor("web");

test.each<[string, string, DeployRequest]>([
  ["base64 of the JSON", base64('{"service":"web"}'), WEB],
  [
    "base64 as Go reads it, with bits in its last character that mean nothing",
    base64('{"service":"web"}').replace("0=", "1="),
    WEB,
  ],
  ["the JSON itself", '{"service":"web"}', WEB],
  ["base64 and a newline", `${base64('{"service":"web"}')}\n`, WEB],
  ["base64 and a Windows newline", `${base64('{"service":"web"}')}\r\n`, WEB],
  ["JSON with a newline in base64", base64('{"service":"web"}\n'), WEB],
  ["base64 wrapped at 4 columns", base64('{"service":"web"}').replaceAll(/.{4}/g, "$&\n"), WEB],
  ["base64 that needs no padding", base64('{"service":"web"} '), WEB],
  ["base64 with two = of padding", base64('{"service":"web"}  '), WEB],
  ["unknown fields", '{"service":"web","extra":{"service":1}}', WEB],
  ["the last of two equal keys", '{"service":"api","service":"web"}', WEB],
  ["an empty image, which is not none", '{"service":"web","image":""}', requestFor("web", { image: "" })],
  ["null for what may be missing", '{"service":"web","image":null,"force":null}', WEB],
  ["force", '{"service":"web","force":true}', { ...WEB, force: true }],
  ["an image", '{"service":"web","image":"web:v2"}', requestFor("web", { image: "web:v2" })],
  [
    "an image as it came, whatever it is",
    '{"service":"web","image":"$IMAGE"}',
    requestFor("web", { image: "$IMAGE" }),
  ],
  ["a service as it came, whatever it is", '{"service":"$(reboot)\\n"}', requestFor("$(reboot)\n")],
  ["a service called __proto__", '{"service":"__proto__"}', requestFor("__proto__")],
  ["a list of one service", '{"services":["web"]}', WEB],
  ["null for the other form", '{"service":"web","services":null,"images":null}', WEB],
  [
    "several services with one image, in their order",
    '{"services":["web","api"],"image":"web:v2"}',
    requestFor(["web", "api"], { image: "web:v2" }),
  ],
  [
    "several services with images for some of them",
    '{"services":["web","api","db"],"images":{"api":"api:v2","web":null}}',
    {
      ...WEB,
      parts: [
        { service: "web", image: undefined },
        { service: "api", image: "api:v2" },
        { service: "db", image: undefined },
      ],
    },
  ],
  [
    "one service with its image by name",
    '{"service":"web","images":{"web":"web:v2"}}',
    requestFor("web", { image: "web:v2" }),
  ],
  [
    "an image of a service called __proto__",
    '{"service":"__proto__","images":{"__proto__":"web:v2"}}',
    requestFor("__proto__", { image: "web:v2" }),
  ],
  [
    "the run it comes from",
    '{"service":"web","run":{"workflow":"1/a.yml","number":41}}',
    { ...WEB, run: { workflow: "1/a.yml", number: 41, attempt: 1 } },
  ],
])("a body may be %s", (_, body, expected) => {
  expect(parseRequest(bytes(body))).toEqual(expected);
});

test.each([
  ["not base64", "not base64!", "invalid base64"],
  ["a space in base64", "eyJzZXJ2aWNl IjoidyJ9", "invalid base64"],
  ["base64 without its padding", base64('{"service":"web"}').replaceAll("=", ""), "invalid base64"],
  ["too much padding", `${base64('{"service":"web"}')}=`, "invalid base64"],
  ["padding in the middle", "eyA=eyA=", "invalid base64"],
  [
    "the base64url alphabet",
    base64('{"service":"~~~???"}').replaceAll("+", "-").replaceAll("/", "_"),
    "invalid base64",
  ],
  ["bytes that are no text", "\u00ff\u00fe", "invalid base64"],
  ["JSON after a space", ' {"service":"web"}', "invalid base64"],
  ["a JSON array", '[{"service":"web"}]', "invalid base64"],
  ["nothing", "", "invalid json"],
  ["a newline only", "\n", "invalid json"],
  ["base64 of nothing much", base64("hello"), "invalid json"],
  ["an open brace", "{", "invalid json"],
  ["JSON with more behind it", '{"service":"web"} x', "invalid json"],
  ["base64 of JSON with more behind it", base64('{"service":"web"}{}'), "invalid json"],
  ["null", base64("null"), "invalid json"],
  ["an array in base64", base64('[{"service":"web"}]'), "invalid json"],
  ["a string", base64('"web"'), "invalid json"],
  ["a number as service", '{"service":7}', "invalid json"],
  ["a list as service", '{"service":["web"]}', "invalid json"],
  ["a number as image", '{"service":"web","image":7}', "invalid json"],
  ["a string as force", '{"service":"web","force":"true"}', "invalid json"],
  [
    "an array of twenty thousand levels",
    `{"service":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
    "invalid json",
  ],
  ["base64 of bytes that are not UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]).toBase64(), "invalid json"],
  ["no service", "{}", "service is required"],
  ["another case of the key", '{"Service":"web"}', "service is required"],
  ["an empty service", '{"service":""}', "service is required"],
  ["white space as service", '{"service":" \\t\\n"}', "service is required"],
  ["null as service", '{"service":null}', "service is required"],
  ["both forms", '{"service":"web","services":["web"]}', "service and services: one of the two"],
  [
    "an empty service and a list",
    '{"service":"","services":["web"]}',
    "service and services: one of the two",
  ],
  ["both forms of images", '{"service":"web","image":"a","images":{}}', "image and images: one of the two"],
  [
    "an empty image beside images",
    '{"service":"web","image":"","images":{}}',
    "image and images: one of the two",
  ],
  ["no services", '{"services":[]}', "services is empty"],
  ["an empty service among others", '{"services":["web"," "]}', "service is required"],
  ["a service twice", '{"services":["web","api","web"]}', 'services has "web" twice'],
  [
    "an image for another service",
    '{"services":["web","api"],"images":{"db":"db:v1"}}',
    'images has "db", which is not to be deployed',
  ],
  [
    "an image for another service called __proto__",
    '{"service":"web","images":{"__proto__":"db:v1"}}',
    'images has "__proto__", which is not to be deployed',
  ],
  ["a text as services", '{"services":"web"}', "invalid json"],
  ["a number among the services", '{"services":["web",7]}', "invalid json"],
  ["null among the services", '{"services":["web",null]}', "invalid json"],
  ["a list of images", '{"services":["web"],"images":["web:v2"]}', "invalid json"],
  ["a number among the images", '{"services":["web"],"images":{"web":2}}', "invalid json"],
  [
    "a run that is none",
    '{"service":"web","run":{"workflow":"a"}}',
    "run: number must be a positive integer",
  ],
  ["a service by inheritance only", '{"__proto__":{"service":"web"}}', "service is required"],
])("a body of %s is refused", (_, body, message) => {
  expect(() => parseRequest(bytes(body))).toThrow(
    expect.objectContaining({ name: "DeployerError", code: "invalid", message }),
  );
});

/** Bytes at random are nearly never base64 of JSON, so three kinds of them. */
const body = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.json().map((json) => bytes(base64(json))),
  fc
    .record(
      {
        service: fc.jsonValue(),
        services: fc.oneof(fc.jsonValue(), fc.array(fc.string(), { maxLength: 3 })),
        image: fc.jsonValue(),
        images: fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.string(), { maxKeys: 2 })),
        force: fc.jsonValue(),
        to: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    .map((value) => bytes(JSON.stringify(value))),
);

test("any bytes are a request or invalid, nothing else", () => {
  fc.assert(
    fc.property(body, (bytes) => {
      for (const parse of [parseRequest, parseRollback]) {
        try {
          const { parts, force, to } = parse(bytes);
          const services = parts.map(({ service }) => service);
          expect(services.length).toBeGreaterThan(0);
          expect(new Set(services).size).toBe(services.length);
          expect(services.map((name) => name.trim())).not.toContain("");
          expect(parts.map(({ image }) => image)).not.toContain("");
          expect(typeof force).toBe("boolean");
          expect(to).not.toBe("");
        } catch (error) {
          expect(error).toBeInstanceOf(DeployerError);
          expect(error).toHaveProperty("code", "invalid");
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test("what is asked for in base64 is what is asked for in JSON", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.boolean(), (name, force) => {
      fc.pre(name.trim() !== "" && name.isWellFormed());
      const json = JSON.stringify({ service: name, force });
      expect(parseRequest(bytes(base64(json)))).toEqual(parseRequest(bytes(json)));
      expect(parseRequest(bytes(json))).toEqual(requestFor(name, { force }));
    }),
  );
});

const BACK = requestFor("web", { kind: "rollback" });

test.each([
  ["a service", '{"service":"web"}', BACK],
  ["base64", base64('{"service":"web"}'), BACK],
  ["null for what may be missing", '{"service":"web","to":null,"force":null}', BACK],
  ["a deployment to go back to", '{"service":"web","to":"0192-a"}', { ...BACK, to: "0192-a" }],
  ["what only a deployment has", '{"service":"web","image":"web:v2","run":7}', BACK],
  ["force", '{"service":"web","force":true}', { ...BACK, force: true }],
])("the body of a rollback may be %s", (_, body, expected) => {
  expect(parseRollback(bytes(body))).toEqual(expected);
});

test.each([
  ["no service", "{}", "service is required"],
  ["several services", '{"services":["web","api"]}', "service is required"],
  ["an empty deployment to go back to", '{"service":"web","to":""}', "to is empty"],
  ["white space to go back to", '{"service":"web","to":" "}', "to is empty"],
  ["a number to go back to", '{"service":"web","to":7}', "invalid json"],
  ["bad base64", "not base64!", "invalid base64"],
])("the body of a rollback with %s is refused", (_, body, message) => {
  expect(() => parseRollback(bytes(body))).toThrow(expect.objectContaining({ code: "invalid", message }));
});

const PROJECT = project([
  service("web", {
    image: "ghcr.io/acme/web:v1",
    settings: settings({ images: ["ghcr.io/acme/web-next", "not an image"] }),
  }),
  service("worker", { image: "ghcr.io/acme/web:v1" }),
  service("local", { image: undefined }),
]);

test.each([
  ["the file's image", undefined],
  ["another tag", "ghcr.io/acme/web:v2"],
  ["a digest", `ghcr.io/acme/web@sha256:${"0".repeat(64)}`],
  ["another spelling", "GHCR.IO:443/acme/web"],
  ["a repository that x-deployer allows", "ghcr.io/acme/web-next:v1"],
])("%s may be deployed", (_, image) => {
  const request = requestFor("web", image === undefined ? {} : { image });
  expect(authorise(request, PROJECT).map(({ name }) => name)).toEqual(["web"]);
});

test("several services may be deployed if each may be, in their order", () => {
  const request = requestFor(["worker", "web"], { image: "ghcr.io/acme/web:v2" });
  expect(authorise(request, PROJECT).map(({ name }) => name)).toEqual(["worker", "web"]);
});

test("of several services one that may not be deployed is reason enough to refuse", () => {
  const refusal = (request: DeployRequest) => () => authorise(request, PROJECT);
  expect(refusal(requestFor(["web", "nope"]))).toThrow('unknown service "nope"');
  expect(refusal(requestFor(["web", "worker"], { image: "ghcr.io/acme/web-next:v1" }))).toThrow(
    'not from a repository that service "worker" may run',
  );
});

test("a rollback needs a service of the compose file, no image of it", () => {
  const back = (name: string) => () => authorise(requestFor(name, { kind: "rollback" }), PROJECT);
  expect(back("local")().map(({ name }) => name)).toEqual(["local"]);
  expect(back("nope")).toThrow(
    expect.objectContaining({ code: "not_found", message: 'unknown service "nope"' }),
  );
});

test.each<[string, string | undefined, ErrorCode, string]>([
  ["nope", undefined, "not_found", 'unknown service "nope"'],
  ["--help", undefined, "not_found", 'unknown service "--help"'],
  ["__proto__", undefined, "not_found", 'unknown service "__proto__"'],
  ["constructor", undefined, "not_found", 'unknown service "constructor"'],
  ["toString", undefined, "not_found", 'unknown service "toString"'],
  ["WEB", undefined, "not_found", 'unknown service "WEB"'],
  ["web ", undefined, "not_found", 'unknown service "web "'],
  ['a\nb"c', undefined, "not_found", String.raw`unknown service "a\nb\"c"`],
  [
    "local",
    undefined,
    "not_deployable",
    'service "local" is built locally; give it an "image:" in the compose file to deploy it by webhook',
  ],
  [
    "local",
    "shop-local:v2",
    "not_deployable",
    'service "local" is built locally; give it an "image:" in the compose file to deploy it by webhook',
  ],
  [
    "web",
    "$IMAGE",
    "not_deployable",
    'image "$IMAGE" is not an image reference (single quotes in your shell?)',
  ],
  [
    "web",
    "ghcr.io/acme/web:$TAG",
    "not_deployable",
    'image "ghcr.io/acme/web:$TAG" is not an image reference (single quotes in your shell?)',
  ],
  ["web", "", "not_deployable", 'image "" is not an image reference (is the variable set?)'],
  ["web", "--help", "not_deployable", 'image "--help" is not an image reference'],
  [
    "web",
    "ghcr.io/acme/web:v1\n",
    "not_deployable",
    String.raw`image "ghcr.io/acme/web:v1\n" is not an image reference`,
  ],
  ["web", "not an image", "not_deployable", 'image "not an image" is not an image reference'],
  [
    "web",
    "ghcr.io/acme/api:v1",
    "not_deployable",
    'image "ghcr.io/acme/api:v1" is not from a repository that service "web" may run; add it to x-deployer.images in the compose file to allow it',
  ],
  [
    "web",
    "evil.example/acme/web:v1",
    "not_deployable",
    'image "evil.example/acme/web:v1" is not from a repository that service "web" may run; add it to x-deployer.images in the compose file to allow it',
  ],
  [
    "web",
    "acme/web:v1",
    "not_deployable",
    'image "acme/web:v1" is not from a repository that service "web" may run; add it to x-deployer.images in the compose file to allow it',
  ],
])("service %j with image %j is refused: %s", (name, image, code, message) => {
  const request = requestFor(name, image === undefined ? {} : { image });
  expect(() => authorise(request, PROJECT)).toThrow(expect.objectContaining({ code, message }));
});
