import { afterAll, beforeAll, expect, test } from "bun:test";

import { base64, encoded, valid } from "../contract/http-case.ts";
import { type HttpWorld, startHttpWorld } from "../contract/http-world.ts";
import { ask, type RawReply } from "../support/raw-http.ts";

const SETUP_DEADLINE = 60_000;
const WEB = '{"service":"web"}';
const SUCCESS = "deploy request successful for service web\n";

let world: HttpWorld;
let before: unknown;

beforeAll(async () => {
  world = await startHttpWorld();
  before = await state();
}, SETUP_DEADLINE);

afterAll(() => world[Symbol.asyncDispose](), SETUP_DEADLINE);

const SERVICES = [
  "--help",
  "-h",
  "--",
  "-f/etc/passwd",
  "--file=/etc/passwd",
  "$(reboot)",
  "`reboot`",
  "web; reboot",
  "web && reboot",
  "web\n--help",
  "web\nimage: evil",
  "web\r\nX-Injected: 1",
  "web ",
  " web",
  "WEB",
  "wéb",
  "web\u0000",
  "web\u202e",
  "\ud800",
  "../web",
  "web/../web",
  "/etc/passwd",
  "*",
  "web worker",
  "__proto__",
  "constructor",
  "toString",
  "w".repeat(40_000),
];

test.each(SERVICES)("the service %j is unknown, and said in one line", async (service) => {
  const reply = await deploy(encoded({ service }));
  const shown = JSON.stringify(service);
  expect([reply.status, reply.text]).toEqual([404, `unknown service ${shown}\n`]);
});

const DIGEST = `sha256:${"a".repeat(64)}`;
const IMAGES: ((repository: string) => string)[] = [
  () => "",
  () => "--help",
  () => "-web:v1",
  () => "$(reboot)",
  () => "$IMAGE",
  () => " ",
  (repository) => `${repository}:v1\n`,
  (repository) => `${repository}:v1\n--privileged`,
  (repository) => `${repository}:v1 --privileged`,
  (repository) => `${repository}:v1;reboot`,
  (repository) => `${repository}:$(reboot)`,
  (repository) => `${repository}:-v1`,
  (repository) => `${repository}:`,
  (repository) => `${repository}@sha256:abc`,
  (repository) => `${repository}@${DIGEST}@${DIGEST}`,
  (repository) => `${repository}/../other:v1`,
  (repository) => `${repository}/:v1`,
  (repository) => `http://${repository}:v1`,
  (repository) => `user:password@${repository}:v1`,
  (repository) => `${repository}:${"v".repeat(129)}`,
  (repository) => `${repository}/${"x/".repeat(300)}x:v1`,
  (repository) => repository.toUpperCase(),
];

test.each(IMAGES.map((image) => [image("host/web"), image] as const))(
  "the image %j is not an image reference",
  async (_, make) => {
    const image = make(world.aws.repository("web"));
    const reply = await deploy(encoded({ service: "web", image }));
    const said = `image ${JSON.stringify(image)} is not an image reference${hintFor(image)}\n`;
    expect([reply.status, reply.text]).toEqual([422, said]);
    const oneOfMany = await deploy(encoded({ services: ["web"], images: { web: image } }));
    expect([oneOfMany.status, oneOfMany.text]).toEqual([422, said]);
  },
);

const FOREIGN: ((repository: string) => string)[] = [
  (repository) => `${repository}2:v1`,
  (repository) => `${repository}/web:v1`,
  (repository) => `${repository}-web@${DIGEST}`,
  (repository) => `evil.example/${repository.split("/").slice(1).join("/")}:v1`,
  (repository) => `${repository.split("/").slice(1).join("/")}:v1`,
  () => "web",
  () => "busybox:latest",
];

test.each(FOREIGN.map((image) => [image("host/web"), image] as const))(
  "the image %j is of another repository",
  async (_, make) => {
    const image = make(world.aws.repository("web"));
    const reply = await deploy(encoded({ service: "web", image }));
    expect([reply.status, reply.text]).toEqual([
      422,
      `image ${JSON.stringify(image)} is not from a repository that service "web" may run; add it to x-deployer.images in the compose file to allow it\n`,
    ]);
  },
);

const BODIES: [what: string, body: string | Uint8Array, status: number, text: string][] = [
  ["base64 in CRLF lines", base64(WEB).replace(/.{4}/g, "$&\r\n"), 200, SUCCESS],
  ["a line break in the middle of a group", base64(WEB).replace(/^./, "$&\n"), 200, SUCCESS],
  ["the JSON with spaces", '{ "service" : "web" }\n', 200, SUCCESS],
  ["JSON with the service twice, the last counts", '{"service":"nope","service":"web"}', 200, SUCCESS],
  ["JSON escapes in the key", '{"\\u0073ervice":"web"}', 200, SUCCESS],
  ["a tab in base64", base64(WEB).replace(/^.{4}/, "$&\t"), 400, "invalid base64\n"],
  ["a space before base64", ` ${base64(WEB)}`, 400, "invalid base64\n"],
  ["a space before JSON", ` ${WEB}`, 400, "invalid base64\n"],
  ["JSON in a list", `[${WEB}]`, 400, "invalid base64\n"],
  ["too much padding", `${base64(WEB)}=`, 400, "invalid base64\n"],
  ["base64 twice", base64("{}") + base64(WEB), 400, "invalid base64\n"],
  ["padding in the middle", `e30=${base64(WEB)}`, 400, "invalid base64\n"],
  ["padding alone", "====", 400, "invalid base64\n"],
  ["NUL bytes", new Uint8Array(100), 400, "invalid base64\n"],
  ["bytes that are no text", Uint8Array.of(0xff, 0xfe, 0x80), 400, "invalid base64\n"],
  ["base64 of base64", base64(base64(WEB)), 400, "invalid json\n"],
  ["base64 of bytes that are no UTF-8", "//79", 400, "invalid json\n"],
  ["UTF-16", base64(Buffer.from(WEB, "utf16le").toString("latin1")), 400, "invalid json\n"],
  ["JSON that is no UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), 400, "invalid json\n"],
  ["half of the JSON", '{"service":"web"', 400, "invalid json\n"],
  ["two JSON objects", `${WEB}${WEB}`, 400, "invalid json\n"],
  ["JSON with a comment", '{"service":"web"} // now', 400, "invalid json\n"],
  ["JSON with single quotes", "{'service':'web'}", 400, "invalid json\n"],
  ["a list of services", encoded([{ service: "web" }]), 400, "invalid json\n"],
  ["a service in a list", encoded({ service: ["web"] }), 400, "invalid json\n"],
  ["an image that is a number", encoded({ service: "web", image: 1 }), 400, "invalid json\n"],
  ["force in words", encoded({ service: "web", force: "true" }), 400, "invalid json\n"],
  ["form data", "service=web", 400, "invalid base64\n"],
  ["deep JSON", `{"service":${"[".repeat(30_000)}${"]".repeat(30_000)}}`, 400, "invalid json\n"],
  [
    "64 KiB and one byte",
    `{"service":"web"}${" ".repeat(64 * 1024 - 16)}`,
    413,
    "request body larger than 64 KiB\n",
  ],
  ["64 KiB exactly", `{"service":"web"}${" ".repeat(64 * 1024 - 17)}`, 200, SUCCESS],
];

test.each(BODIES)("%s", async (_, body, status, text) => {
  const reply = await deploy(body);
  expect([reply.status, reply.text]).toEqual([status, text]);
});

test.each(["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "x", ""])(
  "the Content-Type %j changes nothing",
  async (type) => {
    for (const body of [WEB, base64(WEB)]) {
      const reply = await deploy(body, [["Content-Type", type]]);
      expect([reply.status, reply.text]).toEqual([200, SUCCESS]);
    }
  },
);

test("none of it touched a container, and the daemon still lives", async () => {
  expect(await state()).toEqual(before);
  expect((await world.daemon.request("GET", "/health")).status).toBe(200);
  const lines = world.daemon.log();
  expect(lines.filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
  expect(world.daemon.noise()).toBe("");
});

function hintFor(image: string): string {
  if (image === "") return " (is the variable set?)";
  return image.includes("$") ? " (single quotes in your shell?)" : "";
}

function deploy(body: string | Uint8Array, headers: (readonly [string, string])[] = []): Promise<RawReply> {
  return ask(world.daemon.port, {
    method: "POST",
    target: "/deploy",
    headers: [["Authorization", valid(world)], ...headers],
    body,
  });
}

async function state(): Promise<unknown> {
  return (await world.project.containers()).map(({ id, state, image }) => ({ id, state, image }));
}
