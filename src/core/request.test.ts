import { expect, test } from "bun:test";
import fc from "fast-check";

import { service } from "../../test/fakes/service.ts";
import { DeployerError, type ErrorCode } from "./errors.ts";
import type { Project } from "./ports.ts";
import { authorise, type DeployRequest, parseRequest } from "./request.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const base64 = (text: string): string => bytes(text).toBase64();
const WEB = { service: "web", image: undefined, force: false };

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
  ["an empty image", '{"service":"web","image":""}', WEB],
  ["null for what may be missing", '{"service":"web","image":null,"force":null}', WEB],
  ["force", '{"service":"web","force":true}', { ...WEB, force: true }],
  ["an image", '{"service":"web","image":"web:v2"}', { ...WEB, image: "web:v2" }],
  ["an image as it came, whatever it is", '{"service":"web","image":"$IMAGE"}', { ...WEB, image: "$IMAGE" }],
  ["a service as it came, whatever it is", '{"service":"$(reboot)\\n"}', { ...WEB, service: "$(reboot)\n" }],
  ["a service called __proto__", '{"service":"__proto__"}', { ...WEB, service: "__proto__" }],
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
    .record({ service: fc.jsonValue(), image: fc.jsonValue(), force: fc.jsonValue() }, { requiredKeys: [] })
    .map((value) => bytes(JSON.stringify(value))),
);

test("any bytes are a request or invalid, nothing else", () => {
  fc.assert(
    fc.property(body, (bytes) => {
      try {
        const request = parseRequest(bytes);
        expect(request.service.trim()).not.toBe("");
        expect(typeof request.force).toBe("boolean");
        expect(request.image).not.toBe("");
      } catch (error) {
        expect(error).toBeInstanceOf(DeployerError);
        expect(error).toHaveProperty("code", "invalid");
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
      expect(parseRequest(bytes(json)).service).toBe(name);
    }),
  );
});

const PROJECT: Project = {
  name: "shop",
  services: new Map(
    [
      service("web", { image: "ghcr.io/acme/web:v1", images: ["ghcr.io/acme/web-next", "not an image"] }),
      service("local", { image: undefined }),
    ].map((each) => [each.name, each]),
  ),
};

test.each([
  ["the file's image", undefined],
  ["another tag", "ghcr.io/acme/web:v2"],
  ["a digest", `ghcr.io/acme/web@sha256:${"0".repeat(64)}`],
  ["another spelling", "GHCR.IO:443/acme/web"],
  ["a repository that x-deployer allows", "ghcr.io/acme/web-next:v1"],
])("%s may be deployed", (_, image) => {
  expect(authorise({ service: "web", image, force: false }, PROJECT).name).toBe("web");
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
  expect(() => authorise({ service: name, image, force: false }, PROJECT)).toThrow(
    expect.objectContaining({ code, message }),
  );
});
