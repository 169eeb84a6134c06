import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { nowhere, sayProblem } from "../core/problem.ts";
import type { Settings } from "../core/settings.ts";
import type { SettingProblem } from "./setting-problems.ts";
import { readSettings } from "./settings.ts";

test("what is not said has its default", () => {
  const defaults: Settings = {
    strategy: "auto",
    port: undefined,
    health: undefined,
    timeoutMs: undefined,
    watchMs: 10_000,
    before: [],
    drainCommand: undefined,
    images: [],
    sharedVolumes: false,
    routes: [],
    drainMs: 30_000,
    holdMs: 30_000,
    holdMax: 2_000,
    resend: "idempotent",
  };
  for (const nothing of [undefined, null, {}]) expect(settingsOf(nothing)).toEqual(defaults);
});

test("everything can be said", () => {
  const written = {
    strategy: "rolling",
    port: 3000,
    health: {
      path: "/health?full=1",
      host: "shop.example",
      headers: { "X-Probe": "yes" },
      status: "200-299",
    },
    timeout: "2m",
    watch: "1m30s",
    before: [["npm", "run", "migrate"], ["true"]],
    drain_command: ["nginx", "-s", "quit"],
    images: ["ghcr.io/acme/web", "127.0.0.1:5000/web"],
    shared_volumes: true,
    route: [
      { host: "Shop.Example.com" },
      { host: "*.shop.example.com", path: "/a/%20b" },
      { path: "/assets" },
    ],
    drain: "1m",
    hold: 0,
    hold_max: 500,
    resend: "all",
  };
  expect(settingsOf(written)).toEqual({
    strategy: "rolling",
    port: 3000,
    health: {
      path: "/health?full=1",
      host: "shop.example",
      headers: { "X-Probe": "yes" },
      status: { from: 200, to: 299 },
    },
    timeoutMs: 120_000,
    watchMs: 90_000,
    before: [["npm", "run", "migrate"], ["true"]],
    drainCommand: ["nginx", "-s", "quit"],
    images: ["ghcr.io/acme/web", "127.0.0.1:5000/web"],
    sharedVolumes: true,
    routes: [
      { host: "shop.example.com", path: "/" },
      { host: "*.shop.example.com", path: "/a/%20b" },
      { host: undefined, path: "/assets" },
    ],
    drainMs: 60_000,
    holdMs: 0,
    holdMax: 500,
    resend: "all",
  });
});

test("a path alone is asked as it is, and any status below 400 passes", () => {
  expect(settingsOf({ health: "/" }).health).toEqual({
    path: "/",
    host: undefined,
    headers: {},
    status: { from: 200, to: 399 },
  });
});

describe("as Compose prints it", () => {
  test("what it interpolated is a text, whatever it is meant to be", () => {
    const written = {
      port: "3000",
      health: { path: "/", status: "204" },
      watch: "0",
      shared_volumes: "true",
    };
    expect(settingsOf(written)).toMatchObject({
      port: 3000,
      health: { status: { from: 204, to: 204 } },
      watchMs: 0,
      sharedVolumes: true,
    });
    expect(settingsOf({ shared_volumes: "false" }).sharedVolumes).toBe(false);
  });

  test("a doubled $ is one", () => {
    const written = {
      before: [["sh", "-c", "echo $$HOME $$$$"]],
      health: { path: "/$$x", headers: { $$a: "$$&" } },
    };
    expect(settingsOf(written)).toMatchObject({
      before: [["sh", "-c", "echo $HOME $$"]],
      health: { path: "/$x", headers: { $a: "$&" } },
    });
  });

  test("words of a command are what they are, whatever is in them", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (words) => {
        const argv = ["run", ...words].map((word) => word.replaceAll("\0", ""));
        const printed = argv.map((word) => word.replaceAll("$", () => "$$"));
        expect(settingsOf({ before: [printed] }).before).toEqual([argv]);
      }),
    );
  });
});

describe("refused is", () => {
  test.each<[written: unknown, problem: string]>([
    ["rolling", "x-deployer: must be a mapping, not a text"],
    [["rolling"], "x-deployer: must be a mapping, not a list"],
    [false, "x-deployer: must be a mapping, not true or false"],

    [{ strategi: "rolling" }, "x-deployer.strategi: unknown key, meant is perhaps strategy"],
    [{ sharedVolumes: true }, "x-deployer.sharedVolumes: unknown key, meant is perhaps shared_volumes"],
    [
      { colour: "blue" },
      "x-deployer.colour: unknown key, there are strategy, port, health, timeout, watch, before, drain_command, images, shared_volumes, route, drain, hold, hold_max, resend",
    ],
    [{ "a\n\u001b[31mb": 1 }, 'x-deployer."a\\n\\u001b[31mb": unknown key, there are '],

    [{ strategy: "blue-green" }, "x-deployer.strategy: must be auto, rolling or recreate"],
    [{ strategy: "Rolling" }, "x-deployer.strategy: must be auto, rolling or recreate"],
    [{ strategy: null }, "x-deployer.strategy: must be auto, rolling or recreate"],

    ...[0, 65_536, -1, 80.5, "", "80/tcp", "8080:80", "0x50", " 80", null, true, [80], Infinity].map(
      (port): [unknown, string] => [{ port, health: "/" }, "x-deployer.port: must be a port from 1 to 65535"],
    ),
    [
      { port: 3000 },
      "x-deployer.port: is the port that health is asked on and requests go to, and there is neither health nor route: add health: /path",
    ],
    ...["drain", "hold"].map((key): [unknown, string] => [
      { [key]: "5s" },
      `x-deployer.${key}: is for services behind the edge, and there is no route`,
    ]),
    [{ hold_max: 5 }, "x-deployer.hold_max: is for services behind the edge, and there is no route"],
    [{ resend: "all" }, "x-deployer.resend: is for services behind the edge, and there is no route"],
    ...["All", "POST", "", ["POST"], true, null].map((resend): [unknown, string] => [
      { route: { path: "/" }, resend },
      "x-deployer.resend: must be idempotent or all",
    ]),
    [{ route: { path: "/" }, drain: 30 }, "x-deployer.drain: needs a unit: write 30s for seconds"],
    [{ route: { path: "/" }, hold: "2h" }, "x-deployer.hold: must not be longer than 1h"],
    ...[0, 1_000_001, 1.5, "many", null].map((hold_max): [unknown, string] => [
      { route: { path: "/" }, hold_max },
      "x-deployer.hold_max: must be a number from 1 to 1000000",
    ]),
    [{ route: "a.example/b" }, "x-deployer.route: must be a mapping with host, path or both, not a text"],
    [{ route: [{ path: "/" }, { hst: "a" }] }, "x-deployer.route.1.hst: unknown key, meant is perhaps host"],

    [{ timeout: 30 }, "x-deployer.timeout: needs a unit: write 30s for seconds"],
    [{ watch: 10 }, "x-deployer.watch: needs a unit: write 10s for seconds"],
    ...["", "30", "fast", "-1s", -1, "2026-11-23T00:00:00Z", null, true, Infinity, ["10s"]].flatMap(
      (value): [unknown, string][] =>
        ["timeout", "watch"].map((key) => [
          { [key]: value },
          `x-deployer.${key}: must be a duration, as in 10s, 1m30s or 500ms`,
        ]),
    ),
    [{ timeout: 0 }, "x-deployer.timeout: must be longer than 0"],
    [{ timeout: "0s" }, "x-deployer.timeout: must be longer than 0"],
    [{ timeout: "100us" }, "x-deployer.timeout: must be longer than 0"],
    [{ timeout: "61m" }, "x-deployer.timeout: must not be longer than 1h"],
    [{ watch: "1h1ms" }, "x-deployer.watch: must not be longer than 1h"],
    [{ watch: `${"9".repeat(400)}h` }, "x-deployer.watch: must not be longer than 1h"],

    ...["npm run migrate", ["npm", "run", "migrate"], [["a"], "b"], null, true, { a: ["b"] }].map(
      (before): [unknown, string] => [
        { before },
        'x-deployer.before: must be a list of commands, each a list of words: [["npm", "run", "migrate"]]',
      ],
    ),
    [{ before: [["a"], []] }, "x-deployer.before.1: has no program to run"],
    [
      { drain_command: "nginx -s quit" },
      'x-deployer.drain_command: must be a command as a list of words: ["nginx", "-s", "quit"]',
    ],
    [{ drain_command: [] }, "x-deployer.drain_command: has no program to run"],
    [{ before: [["", "a"]] }, "x-deployer.before.0: has no program to run"],
    [{ before: [["sleep", 10]] }, "x-deployer.before.0.1: is a number to YAML: put it in quotes"],
    [{ before: [["set", true]] }, "x-deployer.before.0.1: is true or false to YAML: put it in quotes"],
    [
      { before: [["set", Infinity]] },
      "x-deployer.before.0.1: is a number to YAML, even in quotes: write it another way",
    ],
    [{ before: [["set", null]] }, "x-deployer.before.0.1: must be a text, not nothing"],
    [{ before: [["set", ["a"]]] }, "x-deployer.before.0.1: must be a text, not a list"],
    [{ before: [["a\0b"]] }, "x-deployer.before.0.0: has a NUL, which no command can be given"],

    [{ images: "a/b" }, "x-deployer.images: must be a list of repositories, not a text"],
    [{ images: [7] }, "x-deployer.images.0: is not an image reference"],
    [{ images: ["a", "Not One"] }, "x-deployer.images.1: is not an image reference"],
    [
      { images: ["a:v1"] },
      "x-deployer.images.0: allows the whole repository: write it without tag and digest",
    ],
    [
      { images: [`a@sha256:${"0".repeat(64)}`] },
      "x-deployer.images.0: allows the whole repository: write it without tag and digest",
    ],

    ...["yes", 1, null, "", "True"].map((value): [unknown, string] => [
      { shared_volumes: value },
      "x-deployer.shared_volumes: must be true or false",
    ]),
  ])("%j", (written, problem) => {
    const problems = problemsOf(written);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toStartWith(problem);
  });
});

describe("refused as health is", () => {
  const ASCII = "x-deployer.health.path: must be printable ASCII without spaces: write the rest as %20";
  const STATUS = "x-deployer.health.status: must be a status from 200 to 599, or a range of them: 200-399";
  const HOST = "x-deployer.health.host: must be a host name or an address, with :port if need be";
  const VALUE = "x-deployer.health.headers.X: must be printable ASCII, without spaces around it";
  const CONNECTION = "is about the connection, and not for you to set";

  test.each<[health: unknown, problem: string]>([
    [true, "x-deployer.health: must be a path, or a mapping with one, not true or false"],
    [null, "x-deployer.health: must be a path, or a mapping with one, not nothing"],
    [["/"], "x-deployer.health: must be a path, or a mapping with one, not a list"],
    [{}, "x-deployer.health.path: must be a path, as in /health, not nothing"],
    [{ path: 7 }, "x-deployer.health.path: must be a path, as in /health, not a number"],
    ["", "x-deployer.health.path: must begin with a slash, as in /health"],
    ["health", "x-deployer.health.path: must begin with a slash, as in /health"],
    [
      "http://localhost:3000/health",
      "x-deployer.health.path: must be the path alone, as in /health: the port is x-deployer.port",
    ],
    ["/health#top", "x-deployer.health.path: must not have a #: what follows is never sent"],
    ["/a b", ASCII],
    ["/gesund/ü", ASCII],
    ["/x HTTP/1.1\r\nHost: evil", ASCII],
    ["/\u007f", ASCII],
    [`/${"x".repeat(2_048)}`, "x-deployer.health.path: must not be longer than 2048 characters"],
    [{ path: "/", pth: "/" }, "x-deployer.health.pth: unknown key, meant is perhaps path"],
    [
      { path: "/", method: "HEAD" },
      "x-deployer.health.method: unknown key, there are path, host, headers, status",
    ],

    ...["", "a b", "a/b", "http://a", "a\r\nb", "a:", "a:b", "-a", 7, null].map((host): [unknown, string] => [
      { path: "/", host },
      HOST,
    ]),

    ...[
      "2xx",
      "200-",
      "-200",
      "200..299",
      "299-200",
      "100",
      "600",
      "200-600",
      99,
      200.5,
      "",
      null,
      [200],
      true,
    ].map((status): [unknown, string] => [{ path: "/", status }, STATUS]),

    [
      { path: "/", headers: "X: 1" },
      "x-deployer.health.headers: must be a mapping of names to values, not a text",
    ],
    [
      { path: "/", headers: ["X: 1"] },
      "x-deployer.health.headers: must be a mapping of names to values, not a list",
    ],
    [header("X", "a\r\nY: b"), VALUE],
    [header("X", "a\0"), VALUE],
    [header("X", " a"), VALUE],
    [header("X", "a\t"), VALUE],
    [header("X", "ü"), VALUE],
    [header("X", 1), "x-deployer.health.headers.X: is a number to YAML: put it in quotes"],
    [header("X", null), "x-deployer.health.headers.X: must be a text, not nothing"],
    [header("a b", "1"), 'x-deployer.health.headers."a b": is not the name of a header'],
    [header("", "1"), 'x-deployer.health.headers."": is not the name of a header'],
    [header("hOst", "a"), "x-deployer.health.headers.hOst: is not set here: write x-deployer.health.host"],
    [header("Content-Length", "5"), `x-deployer.health.headers.Content-Length: ${CONNECTION}`],
    [header("transfer-encoding", "chunked"), `x-deployer.health.headers.transfer-encoding: ${CONNECTION}`],
    [{ path: "/", headers: { "X-A": "1", "x-a": "2" } }, "x-deployer.health.headers.x-a: is there twice"],
  ])("%j", (health, problem) => {
    expect(problemsOf({ health })).toEqual([problem]);
  });

  test.each(["none", "service:vpn", "container:vpn"])(
    "any in network_mode: %s, where nobody could ask",
    (mode) => {
      expect(problemsOf({ health: "/", port: 80 }, mode)).toEqual([
        `x-deployer.health: with network_mode: ${mode} the container has no address to be asked at: give it a healthcheck`,
      ]);
    },
  );
});

test.each(["none", "host", "service:vpn", "container:vpn"])(
  "a route in network_mode: %s leads to no address",
  (mode) => {
    expect(problemsOf({ route: { path: "/" }, port: 80 }, mode)).toEqual([
      `x-deployer.route: with network_mode: ${mode} the container has no address of its own for the edge to send requests to: remove one of them`,
    ]);
  },
);

test("a route is a use of the port, and what Compose interpolated is a text", () => {
  const written = { port: "80", route: { host: "a" }, drain: "0", hold: "1m", hold_max: "5" };
  expect(settingsOf(written)).toMatchObject({ port: 80, drainMs: 0, holdMs: 60_000, holdMax: 5 });
});

test("health can be asked in the network of the host, and in the default bridge", () => {
  for (const mode of ["host", "bridge", undefined])
    expect(settingsOf({ health: "/", port: 80 }, mode).port).toBe(80);
});

test.each(["web", "web.example", "web_1:8080", "10.0.0.1", "[::1]", "[::1]:80"])("%s is a host", (host) => {
  expect(settingsOf({ health: { path: "/", host } }).health?.host).toBe(host);
});

test.each(["", "a", "a b", "a\tb", "Bearer abc.def=="])("%j is the value of a header", (value) => {
  expect(settingsOf({ health: header("X", value) }).health?.headers).toEqual({ X: value });
});

test.each<[unknown, { from: number; to: number }]>([
  [204, { from: 204, to: 204 }],
  ["204", { from: 204, to: 204 }],
  ["200-399", { from: 200, to: 399 }],
  ["200 - 599", { from: 200, to: 599 }],
  ["503-503", { from: 503, to: 503 }],
])("the status %j is %j", (status, range) => {
  expect(settingsOf({ health: { path: "/", status } }).health?.status).toEqual(range);
});

test("all problems are told, those of keys, of values and of what does not go together", () => {
  const written = {
    port: 0,
    timeout: 5,
    before: [[1], [2]],
    images: [1, "b:c"],
    helth: "/",
    shared_volumes: "no",
  };
  expect(problemsOf(written).map((problem) => problem.split(":")[0])).toEqual([
    "x-deployer.port",
    "x-deployer.timeout",
    "x-deployer.before.0.0",
    "x-deployer.before.1.0",
    "x-deployer.images.0",
    "x-deployer.images.1",
    "x-deployer.shared_volumes",
    "x-deployer.helth",
    "x-deployer.port",
  ]);
});

test("whatever is there is either settings or told to be wrong", () => {
  const known = [
    "strategy",
    "port",
    "health",
    "timeout",
    "watch",
    "before",
    "images",
    "shared_volumes",
    "route",
    "drain",
    "hold",
    "hold_max",
    "resend",
    "path",
  ];
  const value = fc.object({ key: fc.oneof(fc.constantFrom(...known, "__proto__", "headers"), fc.string()) });
  fc.assert(
    fc.property(value, (written) => {
      const read = readSettings(written, undefined);
      if ("problems" in read) expect(read.problems).not.toEqual([]);
      else expect(Object.keys(written).filter((key) => !known.includes(key))).toEqual([]);
    }),
  );
});

test("a key of JavaScript's own is an unknown one like any other", () => {
  expect(problemsOf(JSON.parse('{"__proto__": {"strategy": "rolling"}}'))).toEqual([
    expect.stringContaining("x-deployer.__proto__: unknown key"),
  ]);
  expect(settingsOf({ health: header("constructor", "a") }).health?.headers).toEqual({ constructor: "a" });
});

test("no value is quoted: it may be a secret that was meant for another place", () => {
  const secret = "hunter2 ";
  for (const written of [
    ...["strategy", "port", "health", "timeout", "watch", "before", "images", "shared_volumes", "resend"].map(
      (key) => ({
        [key]: secret,
      }),
    ),
    { images: [secret] },
    { before: [secret] },
    { before: [[secret, 1]] },
    { health: { path: secret, host: secret, status: secret, headers: { X: secret } } },
  ]) {
    const problems = problemsOf(written);
    expect(problems).not.toEqual([]);
    expect(problems.join("\n")).not.toContain("hunter2");
  }
});

function header(name: string, value: unknown): unknown {
  return { path: "/", headers: { [name]: value } };
}

function settingsOf(written: unknown, networkMode?: string): Settings {
  const read = readSettings(written, networkMode);
  if ("problems" in read) throw new Error(read.problems.map(say).join("\n"));
  return read.settings;
}

function problemsOf(written: unknown, networkMode?: string): string[] {
  const read = readSettings(written, networkMode);
  return "problems" in read ? read.problems.map(say) : [];
}

function say(problem: SettingProblem): string {
  return sayProblem({ ...problem, service: undefined }, nowhere);
}
