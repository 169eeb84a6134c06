import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeLog } from "../../test/fakes/log.ts";
import type { Service } from "../core/compose.ts";
import type { Command, RunResult } from "../system/run.ts";
import { createCompose } from "./compose.ts";

let folder = "";
let composeFile = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "compose-test-"));
  composeFile = join(folder, "docker-compose.yml");
  writeFileSync(composeFile, "services: {}\n");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const CONFIG = `name: shop
services:
  web:
    image: web:v1
    environment:
      KEY: secret
    volumes:
      - {type: bind, source: /srv/conf, target: /conf}
  tool:
    image: tool:v1
`;
const STDOUTS = [
  [" config", CONFIG],
  [" config --format json", JSON.stringify(Bun.YAML.parse(CONFIG))],
  [" config --services", "web\n"],
] as const;
const OK: RunResult = { exitCode: 0, signal: undefined, stdout: "", stderr: "", timedOut: false };
const ENV = { PATH: "/bin", STAGE: "live", UNSET: undefined };

type Answer = (command: Command) => Partial<RunResult> | Promise<Partial<RunResult>>;

/** Compose on a fake `docker`: answers `config` as above, everything else with success, unless told otherwise. */
function composeWith(answer: Answer = () => ({}), env: Record<string, string | undefined> = ENV) {
  const commands: Command[] = [];
  const log = fakeLog();
  const compose = createCompose({
    composeFile,
    stateDir: folder,
    env,
    log,
    async run(command) {
      commands.push(command);
      const words = command.argv.join(" ");
      const stdout = STDOUTS.find(([end]) => words.endsWith(end))?.[1] ?? "";
      return { ...OK, stdout, ...(await answer(command)) };
    },
  });
  return { compose, commands, log, argvs: () => commands.map(({ argv }) => argv) };
}

const none = async () => new Map<string, number>();
const NO_IMAGES = { images: new Map<string, string>() };

describe("the project", () => {
  test("is what docker compose config says, with the environment of the daemon", async () => {
    const { compose, commands } = composeWith();
    const project = await compose.project();
    expect(project.name).toBe("shop");
    expect(
      [...project.services.values()].map(({ name, startedByDefault }) => [name, startedByDefault]),
    ).toEqual([
      ["web", true],
      ["tool", false],
    ]);
    expect(commands.map(({ argv, env }) => ({ argv, env }))).toEqual([
      {
        argv: ["docker", "compose", "-f", composeFile, "--profile", "*", "config", "--format", "json"],
        env: ENV,
      },
      { argv: ["docker", "compose", "-f", composeFile, "--profile", "*", "config"], env: ENV },
      { argv: ["docker", "compose", "-f", composeFile, "config", "--services"], env: ENV },
    ]);
  });

  test("is resolved once while nothing it is read from changes, and again when something does", async () => {
    const { compose, commands } = composeWith();
    await Promise.all([compose.project(), compose.project(), compose.files(), compose.record(new Map())]);
    expect(commands).toHaveLength(3);
    writeFileSync(join(folder, ".env"), "A=1\n");
    await compose.project();
    await compose.project();
    expect(commands).toHaveLength(6);
  });

  test.each<[string, string, Record<string, string>]>([
    ["what it is read from cannot be told", "services: {web: {env_file: $WHERE}}\n", {}],
    ["env files are named by a variable", "services: {}\n", { COMPOSE_ENV_FILES: "/srv/other.env" }],
  ])("is resolved each time when %s", async (_, content, env) => {
    writeFileSync(composeFile, content);
    const { compose, commands } = composeWith(() => ({}), env);
    await compose.project();
    await compose.project();
    expect(commands).toHaveLength(6);
  });

  test("that is broken says where, and is asked for again", async () => {
    let isBroken = true;
    const { compose } = composeWith(() =>
      isBroken
        ? {
            exitCode: 15,
            stderr:
              'time="2026-11-23T12:00:00Z" level=warning msg="STAGE is not set"\nyaml: line 3: did not find expected key\n\n',
          }
        : {},
    );
    await expect(compose.project()).rejects.toMatchObject({
      code: "compose_file",
      message: `compose file ${composeFile}: yaml: line 3: did not find expected key`,
    });
    isBroken = false;
    expect((await compose.project()).name).toBe("shop");
  });

  test.each<[string, Partial<RunResult>, string]>([
    [
      "takes too long",
      { exitCode: undefined, signal: "SIGTERM", timedOut: true, stderr: "half a line" },
      "docker compose did not end in time",
    ],
    ["says nothing", { exitCode: 1 }, "docker compose ended with 1"],
    ["is killed", { exitCode: undefined, signal: "SIGKILL" }, "docker compose ended with SIGKILL"],
  ])("whose docker compose %s is an error of the file", async (_, result, message) => {
    const { compose } = composeWith(() => result);
    await expect(compose.project()).rejects.toMatchObject({
      code: "compose_file",
      message: `compose file ${composeFile}: ${message}`,
    });
  });

  test.each([
    ["json", "no project at all", "[1]"],
    ["json", "something that is no JSON", "hunter2"],
    ["config", "no project at all", "- 1\n"],
    ["config", "something that is no YAML", "a: [hunter2\n"],
    ["config", "another project", "services: {other: {}}"],
  ])("whose output %s is %s is an error of the file that quotes nothing", async (format, _, stdout) => {
    const { compose } = composeWith(({ argv }) => (argv.at(-1) === format ? { stdout } : {}));
    const error: unknown = await compose.project().catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "compose_file" });
    expect(Bun.inspect(error)).not.toContain("hunter2");
  });

  test("knows the files of the host that it needs", async () => {
    expect(await composeWith().compose.files()).toEqual(["/srv/conf"]);
  });
});

describe("a recorded configuration", () => {
  test("is the whole project with the images, for the daemon's user only", async () => {
    const { compose } = composeWith();
    const name = await compose.record(new Map([["web", "web:v2@sha256:1"]]));
    const path = join(folder, "configs", `${name}.json`);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
      name: "shop",
      services: {
        web: { image: "web:v2@sha256:1", environment: { KEY: "secret" } },
        tool: { image: "tool:v1" },
      },
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "configs")).mode & 0o777).toBe(0o700);
  });

  test("has the same name for the same content, and another for another", async () => {
    const { compose } = composeWith();
    const names = [
      await compose.record(new Map()),
      await compose.record(new Map([["web", "web:v1"]])),
      await compose.record(new Map([["web", "web:v2"]])),
    ];
    expect(names[1]).toBe(names[0] ?? "");
    expect(names[2]).not.toBe(names[0] ?? "");
    expect(readdirSync(join(folder, "configs"))).toHaveLength(2);
  });

  test("is forgotten when nothing needs it and it is an hour old", async () => {
    const { compose } = composeWith();
    const [needed = "", old = "", recent = "", again = ""] = await Promise.all(
      ["web:v1", "web:v2", "web:v3", "web:v4"].map((image) => compose.record(new Map([["web", image]]))),
    );
    const longAgo = new Date(Date.now() - 3_700_000);
    for (const name of [needed, old, again])
      utimesSync(join(folder, "configs", `${name}.json`), longAgo, longAgo);
    await compose.record(new Map([["web", "web:v4"]]));
    await compose.forget(new Set([needed]));
    expect(readdirSync(join(folder, "configs")).toSorted()).toEqual(
      [needed, recent, again].map((name) => `${name}.json`).toSorted(),
    );
  });

  test("is a project again", async () => {
    const { compose, commands } = composeWith();
    const { name, services } = await compose.project();
    const recorded = await compose.record(new Map([["web", "web:v2@sha256:1"]]));
    commands.length = 0;
    const project = await compose.recorded(recorded);
    expect([project.name, [...project.services.keys()]]).toEqual([name, [...services.keys()]]);
    expect(project.services.get("web")).toEqual({
      ...services.get("web"),
      image: "web:v2@sha256:1",
    } as Service);
    expect(commands).toEqual([]);
  });

  test("starts what is in no profile", async () => {
    const { compose } = composeWith();
    mkdirSync(join(folder, "configs"));
    const services = {
      web: { image: "a" },
      tool: { image: "b", profiles: ["tools"] },
      job: { profiles: [] },
    };
    writeFileSync(join(folder, "configs", "abc.json"), JSON.stringify({ name: "shop", services }));
    const project = await compose.recorded("abc");
    expect([...project.services.values()].map((each) => [each.name, each.startedByDefault])).toEqual([
      ["web", true],
      ["tool", false],
      ["job", true],
    ]);
  });

  test("has the routes of its time, and none where nobody knew of any", async () => {
    const { compose } = composeWith();
    mkdirSync(join(folder, "configs"));
    const web = { image: "a", "x-deployer": { port: 80, route: { host: "shop.example.com" } } };
    const written = {
      before: { name: "shop", services: { web: { image: "a", "x-deployer": { watch: "5s" } } } },
      after: { name: "shop", services: { web }, "x-deployer": { edge: { https: 443, certs: "c" } } },
    };
    for (const [name, content] of Object.entries(written))
      writeFileSync(join(folder, "configs", `${name}.json`), JSON.stringify(content));

    const before = await compose.recorded("before");
    expect(before.edge).toBeUndefined();
    expect(before.services.get("web")?.settings).toMatchObject({
      watchMs: 5_000,
      routes: [],
      holdMax: 2_000,
    });
    const after = await compose.recorded("after");
    expect(after.edge?.certs).toBe(join(folder, "c"));
    expect(after.services.get("web")?.settings.routes).toEqual([{ host: "shop.example.com", path: "/" }]);
    expect(after.whereIs(["services", "web", "x-deployer"])).toBe("");
  });

  test("that is gone is an error of the file", async () => {
    await expect(composeWith().compose.recorded("abc")).rejects.toMatchObject({
      code: "compose_file",
      message: `the recorded configuration ${join(folder, "configs", "abc.json")} cannot be read`,
    });
  });

  test("has Compose's own hash of each service", async () => {
    const { compose, argvs } = composeWith(({ argv }) =>
      argv.includes("--hash") ? { stdout: "web-next 222\nweb 111\ntool 333\n" } : {},
    );
    expect(await compose.labelHash("abc", "web")).toBe("111");
    expect(await compose.labelHash("abc", "gone")).toBe("");
    const file = join(folder, "configs", "abc.json");
    expect(argvs()[0]).toEqual(["docker", "compose", "-f", file, "--profile", "*", "config", "--hash", "*"]);
  });

  test("whose hash cannot be had is an error", async () => {
    const { compose } = composeWith(() => ({ exitCode: 1, stderr: "open: no such file or directory" }));
    await expect(compose.labelHash("abc", "web")).rejects.toMatchObject({
      code: "compose_file",
      message: "recorded configuration: open: no such file or directory",
    });
  });
});

describe("creating", () => {
  test("beside: from the file and a file of this deployment's images", async () => {
    let candidate = "";
    const { compose, argvs, commands } = composeWith(() => {
      candidate = readFileSync(join(folder, "candidate.compose.yml"), "utf8");
      return {};
    });
    const images = new Map([
      ["web", "web:v2@sha256:1"],
      ["api", "api:v7"],
    ]);
    await compose.createBeside({ images }, "web", 2, none);
    expect(argvs()).toEqual([
      [
        "docker",
        "compose",
        "-f",
        composeFile,
        "-f",
        join(folder, "candidate.compose.yml"),
        "up",
        "--no-start",
        "--no-build",
        "--pull",
        "never",
        "--no-recreate",
        "--scale",
        "web=2",
        "--",
        "web",
      ],
    ]);
    expect(commands[0]?.env).toEqual(ENV);
    expect(Bun.YAML.parse(candidate)).toEqual({
      services: { web: { image: "web:v2@sha256:1" }, api: { image: "api:v7" } },
    });
    expect(candidate).toStartWith("# Written by deployer-service.");
  });

  test("from a recorded configuration: from that file alone", async () => {
    const { compose, argvs } = composeWith();
    await compose.recreate({ recorded: "abc" }, "web", async () => ({ withDependencies: false }));
    expect(argvs()).toEqual([
      [
        "docker",
        "compose",
        "-f",
        join(folder, "configs", "abc.json"),
        "up",
        "--no-start",
        "--no-build",
        "--pull",
        "never",
        "--force-recreate",
        "--no-deps",
        "--",
        "web",
      ],
    ]);
  });

  test("in a project of our own leaves the user's files alone", async () => {
    const { compose, argvs } = composeWith();
    await compose.createOwn({ project: "shop-edge", file: "/state/edge/proxy.json" }, "edge", 2);
    expect(argvs().map((argv) => argv.slice(0, 6))).toEqual([
      ["docker", "compose", "--project-name", "shop-edge", "-f", "/state/edge/proxy.json"],
    ]);
    expect(existsSync(join(folder, "candidate.compose.yml"))).toBe(false);
  });

  test("that fails in a project of our own names it", async () => {
    const { compose } = composeWith(() => ({ exitCode: 1, stderr: "no such image\n" }));
    const own = { project: "shop-edge", file: "/state/edge/proxy.json" };
    await expect(compose.createOwn(own, "edge", 1)).rejects.toMatchObject({
      code: "rollout",
      message: 'creating containers of "shop-edge": no such image',
    });
  });

  test("without any images writes a file that Compose can read", async () => {
    await composeWith().compose.createBeside(NO_IMAGES, "web", 1, none);
    expect(Bun.YAML.parse(readFileSync(join(folder, "candidate.compose.yml"), "utf8"))).toEqual({
      services: {},
    });
  });

  test.each<[string, Partial<RunResult>]>([
    ["by a signal", { exitCode: undefined, signal: "SIGTERM" }],
    ["by SIGINT, as Compose reports it", { exitCode: 130 }],
    ["by SIGTERM, as Compose reports it", { exitCode: 143 }],
  ])("that was ended %s is done again", async (_, result) => {
    const results = [result, result, {}];
    const { compose, argvs, log } = composeWith(() => results.shift() ?? {});
    await compose.createBeside(NO_IMAGES, "web", 2, none);
    expect(argvs()).toHaveLength(3);
    expect(new Set(argvs().map((argv) => argv.join(" "))).size).toBe(1);
    expect(log.lines.map(({ level, fields }) => [level, fields])).toEqual([
      ["warn", { step: 'creating containers of "web"', attempt: 1 }],
      ["warn", { step: 'creating containers of "web"', attempt: 2 }],
    ]);
  });

  test("that is ended by a signal three times has failed", async () => {
    const { compose, argvs } = composeWith(() => ({ exitCode: undefined, signal: "SIGTERM" }));
    await expect(compose.createBeside(NO_IMAGES, "web", 2, none)).rejects.toMatchObject({
      code: "rollout",
      message: 'creating containers of "web": docker compose ended with SIGTERM',
    });
    expect(argvs()).toHaveLength(3);
  });

  test.each<[string, Partial<RunResult>, string]>([
    [
      "fails",
      {
        exitCode: 1,
        stderr: " Container shop-web-2  Creating\nError response from daemon: No such image: web:v2\n",
      },
      "Error response from daemon: No such image: web:v2",
    ],
    [
      "takes too long",
      { exitCode: undefined, signal: "SIGKILL", timedOut: true },
      "docker compose did not end in time",
    ],
  ])("that %s is not done again", async (_, result, message) => {
    const { compose, argvs } = composeWith(() => result);
    await expect(
      compose.recreate(NO_IMAGES, "web", async () => ({ withDependencies: true })),
    ).rejects.toMatchObject({
      code: "rollout",
      message: `recreating "web": ${message}`,
    });
    expect(argvs()).toHaveLength(1);
  });

  test("asks how many containers others have when its own turn has come, and again at each attempt", async () => {
    const asked: number[] = [];
    const gate = Promise.withResolvers<Partial<RunResult>>();
    const results = [gate.promise, { exitCode: 143 }, {}];
    const { compose, argvs } = composeWith(() => results.shift() ?? {});
    const first = compose.recreate(NO_IMAGES, "db", async () => ({ withDependencies: false }));
    const second = compose.createBeside(NO_IMAGES, "web", 2, async () => new Map([["db", asked.push(1)]]));
    await Bun.sleep(1);
    expect(asked).toEqual([]);
    gate.resolve({});
    await Promise.all([first, second]);
    expect(argvs().map((argv) => argv.filter((word) => word.includes("=")))).toEqual([
      [],
      ["db=1", "web=2"],
      ["db=2", "web=2"],
    ]);
  });

  test("is done one at a time, each with its own images, and a failure does not hold up the next", async () => {
    const gates = [Promise.withResolvers<Partial<RunResult>>(), Promise.withResolvers<Partial<RunResult>>()];
    const candidates: string[] = [];
    const { compose, argvs } = composeWith(() => {
      candidates.push(
        readFileSync(join(folder, "candidate.compose.yml"), "utf8").split("\n")[3]?.trim() ?? "",
      );
      return gates[candidates.length - 1]?.promise ?? {};
    });
    const first = compose.createBeside({ images: new Map([["web", "web:v2"]]) }, "web", 2, none);
    const second = compose.createBeside({ images: new Map([["api", "api:v2"]]) }, "api", 2, none);
    await Bun.sleep(1);
    expect(argvs()).toHaveLength(1);
    gates[0]?.resolve({ exitCode: 1 });
    await expect(first).rejects.toThrow();
    gates[1]?.resolve({});
    await second;
    expect(candidates).toEqual(['image: "web:v2"', 'image: "api:v2"']);
  });
});

describe("a command of its own", () => {
  const LABELS = { "deployer-service.before": "d1" };
  const always = async () => true;

  test.each([["the compose file"], ["a recorded configuration"]])(
    "is run from %s, whose secrets stay on disk no longer than that takes",
    async (from) => {
      let file = "";
      let mode = 0;
      let content: unknown;
      const { compose, argvs, commands } = composeWith(({ argv }) => {
        if (!argv.includes("run")) return {};
        file = argv[3] ?? "";
        mode = statSync(file).mode & 0o777;
        content = JSON.parse(readFileSync(file, "utf8"));
        return {};
      });
      const images = new Map([["web", "web:v2@sha256:1"]]);
      const source = from === "the compose file" ? { images } : { recorded: await compose.record(images) };
      await compose.runOneOff(source, "web", ["migrate", "--all"], LABELS, always);
      expect(argvs().at(-1)?.slice(4)).toEqual([
        "run",
        "--detach",
        "--no-deps",
        "-T",
        "--interactive=false",
        "--label",
        "deployer-service.before=d1",
        "--",
        "web",
        "migrate",
        "--all",
      ]);
      expect(commands.at(-1)).toMatchObject({ env: ENV });
      expect(commands.at(-1)?.input).toBeUndefined();
      expect(content).toMatchObject({
        name: "shop",
        services: { web: { image: "web:v2@sha256:1", pull_policy: "never", environment: { KEY: "secret" } } },
      });
      expect(file).toStartWith(join(folder, "configs", "one-off-"));
      expect(mode).toBe(0o600);
      expect(existsSync(file)).toBe(false);
    },
  );

  test("that was started before a signal ended Compose is not started again", async () => {
    let isNeeded = true;
    const { compose, argvs } = composeWith(({ argv }) => {
      if (!argv.includes("run")) return {};
      isNeeded = false;
      return { exitCode: undefined, signal: "SIGTERM" };
    });
    await compose.runOneOff(NO_IMAGES, "web", ["migrate"], LABELS, async () => isNeeded);
    expect(argvs().filter((argv) => argv.includes("run"))).toHaveLength(1);
  });

  test("that was not is started again", async () => {
    const results = [{ exitCode: 143 }, {}];
    const { compose, argvs } = composeWith(({ argv }) =>
      argv.includes("run") ? (results.shift() ?? {}) : {},
    );
    await compose.runOneOff(NO_IMAGES, "web", ["migrate"], LABELS, always);
    expect(argvs().filter((argv) => argv.includes("run"))).toHaveLength(2);
  });

  test("waits for its turn before it asks whether it is needed", async () => {
    const gate = Promise.withResolvers<Partial<RunResult>>();
    const { compose } = composeWith(({ argv }) => (argv.includes("up") ? gate.promise : {}));
    let isUp = false;
    const up = compose.createBeside(NO_IMAGES, "web", 2, none).then(() => (isUp = true));
    await compose.project();
    const run = compose.runOneOff(NO_IMAGES, "web", ["migrate"], LABELS, async () => {
      expect(isUp).toBe(true);
      return false;
    });
    await Bun.sleep(5);
    gate.resolve({});
    await Promise.all([up, run]);
  });

  test("that cannot be started says why, and leaves no file behind", async () => {
    const { compose } = composeWith(({ argv }) =>
      argv.includes("run")
        ? {
            exitCode: 1,
            stderr: "Error response from daemon: no such file\nError: failed to start containers: 32cb\n",
          }
        : {},
    );
    await expect(compose.runOneOff(NO_IMAGES, "web", ["x"], LABELS, always)).rejects.toMatchObject({
      code: "rollout",
      message: 'running a command of "web": Error response from daemon: no such file',
    });
    expect(readdirSync(join(folder, "configs")).filter((name) => name.startsWith("one-off"))).toEqual([]);
  });
});

describe("the pins", () => {
  test("are written for docker compose -f <file> -f <pins>, for the daemon's user only", async () => {
    const { compose, commands } = composeWith();
    await compose.writePins(new Map([["web", "web:v2@sha256:1"]]));
    const path = join(folder, "pins.compose.yml");
    expect(readFileSync(path, "utf8")).toBe(
      '# Written by deployer-service. Use it after the compose file: docker compose -f docker-compose.yml -f this up -d\nservices:\n  "web":\n    image: "web:v2@sha256:1"\n',
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await compose.writePins(new Map());
    expect(Bun.YAML.parse(readFileSync(path, "utf8"))).toEqual({ services: {} });
    expect(commands).toEqual([]);
  });

  test("are not written again when they are the same", async () => {
    const { compose } = composeWith();
    await compose.writePins(new Map([["web", "web:v2"]]));
    const { ino } = statSync(join(folder, "pins.compose.yml"));
    await compose.writePins(new Map([["web", "web:v2"]]));
    expect(statSync(join(folder, "pins.compose.yml")).ino).toBe(ino);
  });
});
