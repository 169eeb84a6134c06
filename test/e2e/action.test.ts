import { afterAll, beforeAll, expect, test } from "bun:test";

import { newKeys, sharedKeys } from "../support/keys.ts";
import { recordOf } from "../support/deployment-record.ts";
import { runStep, startStep, type StepOptions, type StepResult } from "../support/github-runner.ts";
import { expectVersion } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";

/** What a container prints that wants to be more than text. */
const HOSTILE = [
  `long ${"x".repeat(1_000_000)}`,
  "::set-output name=status::succeeded",
  "  ::error::it was the action",
  "##[add-mask]a",
  "text before ##[error]it was the action",
  "::stop-commands::endless",
  "::endgroup::",
  "::add-mask::e",
  "\u001b[2J\u001b[31m::warning::red\u001b[0m",
  "one\r::error::after a carriage return",
  "<img src=x onerror=alert(1)></pre><h1>owned</h1>",
  "```\n\n# a heading\n\n| a | b |",
  "\u202egnp.exe",
].join("\n");
/** Takes some seconds when the network is slow. */
const LARGE = 400_000;
const SLOW = { kind: "slow", bytesPerSecond: 80_000 } as const;
const STEP_DEADLINE = 60_000;

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        for (const version of ["v1", "v2", "v3"]) await aws.publish("web", version);
        await aws.publish("web", "large", { payloadBytes: LARGE });
        await aws.publish("web", "exits", { exitCode: 3 });
        await aws.publish("web", "hostile", { exitCode: 3, version: HOSTILE });
        const services = ["good", "masked", "bad", "wrong", "odd", "two", "busy", "old"].map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

test.concurrent(
  "a good image: the log tells each stage and how long it took, the page what replaced what, the outputs the same",
  async () => {
    const { exitCode, log, outputs, summary, raw } = await deploy("good", "v2");
    expect(exitCode).toBe(0);
    const record = await recordOf(scene.daemon, outputs["deployment"] ?? "");
    expect(record.status).toBe("succeeded");
    expect(outputs).toEqual({ deployment: record.id, status: "succeeded", digest: digestIn(record) });

    expect(groupsOf(log)).toEqual([
      "waiting for its turn",
      "bringing the image",
      "preparing",
      "switching",
      "gate",
      "watching",
      "tidying up",
    ]);
    expect(log.commands.filter(({ name }) => name === "endgroup")).toHaveLength(7);
    for (const title of groupsOf(log))
      expect(log.text).toContainEqual(expect.stringMatching(new RegExp(`^${RegExp.escape(title)}: \\d`)));
    expect(log.text).toContainEqual(expect.stringMatching(/^\d\d:\d\d:\d\d {2}to be rolled out: /));
    expect(log.text.at(-1)).toBe(`deployer-service: deployment ${record.id}, good: succeeded`);

    expect(summary).toContain("<h3>good: succeeded</h3>");
    expect(summary).toContain(`<code>${digestIn(record).slice(0, 19)}</code>`);
    expect(summary).toContain("<td>bringing the image</td>");
    expect(summary).toContain(record.id);
    expect(raw).not.toContain("Bearer");
    await expectVersion(scene.project, "good", "v2");

    const next = await deploy("good", "v3");
    expect(next.exitCode).toBe(0);
    const [from, to] = [digestIn(record), next.outputs["digest"] ?? ""].map((digest) => digest.slice(0, 19));
    expect(next.summary).toContain(`<td><code>${from}</code></td><td><code>${to}</code></td>`);
  },
  STEP_DEADLINE,
);

test.concurrent(
  "the key is masked before anything else is said, however it was given, and is nowhere else",
  async () => {
    for (const key of [sharedKeys().privatePem, Buffer.from(sharedKeys().privatePem).toString("base64")]) {
      const { log, raw, summary } = await deploy("masked", "v1", { inputs: { key } });
      const first = log.commands.findIndex(({ name }) => name !== "add-mask");
      const masks = new Set(log.commands.slice(0, first).map(({ data }) => data));
      const lines = sharedKeys().privatePem.trim().split("\n");
      for (const line of [...lines, ...key.trim().split("\n")]) expect(masks).toContain(line);
      expect(raw.startsWith("::add-mask::")).toBe(true);
      const rest = raw.replaceAll(/^::add-mask::.*\n/gm, "") + summary;
      for (const line of lines) expect(rest).not.toContain(line);
    }
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a version that does not come up: rolled back, with what it printed, why, and what serves now",
  async () => {
    const { exitCode, log, outputs, summary } = await deploy("bad", "exits");
    expect([exitCode, outputs["status"]]).toEqual([3, "rolled_back"]);
    expect(groupsOf(log)).toContain("going back");
    expect(log.text).toContain("  | version exits gives up");
    expect(annotations(log)).toEqual([
      {
        name: "error",
        properties: { title: "bad: rolled back" },
        data: expect.stringMatching(
          /exited with code 3\nwhat serves now: \S+:v1\S* in container [0-9a-f]{12}$/,
        ),
      },
    ]);
    expect(summary).toContain("<h3>bad: rolled back</h3>");
    expect(summary).toMatch(/<code>what serves now: \S+:v1/);
    expect(summary).toContain("version exits gives up");
    await expectVersion(scene.project, "bad", "v1");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "what a container prints is text, in the log and on the page",
  async () => {
    const { exitCode, log, outputs, summary, raw } = await deploy("odd", "hostile");
    expect([exitCode, outputs["status"]]).toEqual([3, "rolled_back"]);
    expect(Object.keys(outputs).toSorted()).toEqual(["deployment", "digest", "status"]);

    const known = new Set(["add-mask", "group", "endgroup", "stop-commands", "error"]);
    expect(log.commands.filter(({ name }) => !known.has(name))).toEqual([]);
    expect(annotations(log).map(({ properties }) => properties)).toEqual([{ title: "odd: rolled back" }]);
    expect(log.commands.filter(({ name }) => name === "stop-commands")).toHaveLength(1);
    const keyLines = new Set(sharedKeys().privatePem.split("\n"));
    for (const { name, data } of log.commands) if (name === "add-mask") expect(keyLines).toContain(data);
    expect(log.text).toContain("  | ::set-output name=status::succeeded");
    expect(log.text.at(-1)).toBe(`deployer-service: deployment ${outputs["deployment"]}, odd: rolled back`);

    // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(raw).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(Math.max(...raw.split("\n").map((line) => line.length))).toBeLessThan(3_000);
    expect(summary.trimEnd()).not.toMatch(/\n\s*\n/);
    expect(summary).not.toContain("<img");
    expect(summary).toContain("&lt;/pre&gt;&lt;h1&gt;owned");
    expect(summary.match(/<pre>/g)).toHaveLength(1);
    expect(summary.match(/<\/pre>/g)).toHaveLength(1);
    expect(summary.length).toBeLessThan(128 * 1024);
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a key that is not the daemon's: not authorized, and nothing is begun",
  async () => {
    const { exitCode, log, outputs, summary } = await deploy("wrong", "v2", {
      inputs: { key: newKeys().privatePem },
    });
    expect([exitCode, outputs]).toEqual([6, {}]);
    expect(annotations(log)).toMatchObject([
      {
        name: "error",
        properties: { title: "wrong: not authorized" },
        data: expect.stringContaining("token"),
      },
    ]);
    expect(summary).toContain("<h3>wrong: not authorized</h3>");
    await expectVersion(scene.project, "wrong", "v1");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "several services are one deployment, each with its image and its digest",
  async () => {
    const { exitCode, outputs, summary } = await runStep({
      inputs: {
        ...COMMON(),
        services: "two busy",
        images: `two=${imageOf("v2")}\nbusy=${imageOf("v3")}`,
      },
    });
    expect([exitCode, outputs["status"]]).toEqual([0, "succeeded"]);
    expect(outputs["digest"]).toMatch(/^two=sha256:[0-9a-f]{64}\nbusy=sha256:[0-9a-f]{64}$/);
    expect(summary).toContain("<h3>two, busy: succeeded</h3>");
    await expectVersion(scene.project, "two", "v2");
    await expectVersion(scene.project, "busy", "v3");
  },
  STEP_DEADLINE,
);

test(
  "a run whose place a newer one takes while it waits is a warning; one that is old on arrival is an error",
  async () => {
    const { daemon, aws } = scene;
    aws.registry.faults.add(SLOW, { on: "blob", minBytes: LARGE });
    const running = await startStep(optionsFor("old", "large", { run: { number: 1 } }));
    await waitFor("its start", STEP_DEADLINE, () => running.printed().includes("its turn has come"));
    const waiting = await startStep(optionsFor("old", "v3", { run: { number: 2 } }));
    await waitFor("its acceptance", STEP_DEADLINE, () => waiting.printed().includes("asks for"));
    const newest = await startStep(optionsFor("old", "v1", { run: { number: 3 } }));
    const superseded = await waiting.ended;
    expect([superseded.exitCode, superseded.outputs["status"]]).toEqual([0, "superseded"]);
    const record = await recordOf(daemon, superseded.outputs["deployment"] ?? "");
    expect(annotations(superseded.log)).toEqual([
      { name: "warning", properties: { title: "old: superseded" }, data: record.reason },
    ]);
    expect(record.reason).toMatch(/^superseded by \S+$/);

    const late = await deploy("old", "v2", { run: { number: 2, attempt: 2 } });
    expect([late.exitCode, late.outputs]).toEqual([4, {}]);
    expect(annotations(late.log)).toMatchObject([
      {
        name: "error",
        properties: { title: "old: too late, a newer run was there before" },
        data: expect.stringMatching(/^superseded by \S+\nrun 2 is older than 3; /),
      },
    ]);
    expect((await running.ended).exitCode).toBe(0);
    expect((await newest.ended).exitCode).toBe(0);
    await expectVersion(scene.project, "old", "v1");
  },
  STEP_DEADLINE,
);

type More = { inputs?: Record<string, string>; run?: StepOptions["run"] };

function optionsFor(service: string, tag: string, { inputs = {}, run }: More = {}): StepOptions {
  return {
    inputs: { ...COMMON(), service, image: imageOf(tag), ...inputs },
    ...(run === undefined ? {} : { run }),
  };
}

function deploy(service: string, tag: string, more?: More): Promise<StepResult> {
  return runStep(optionsFor(service, tag, more));
}

function COMMON(): Record<string, string> {
  return { url: scene.daemon.url, key: sharedKeys().privatePem };
}

function imageOf(tag: string): string {
  return `${scene.aws.repository("web")}:${tag}`;
}

function groupsOf({ commands }: StepResult["log"]): string[] {
  return commands.filter(({ name }) => name === "group").map(({ data }) => data);
}

function annotations({ commands }: StepResult["log"]): StepResult["log"]["commands"] {
  return commands.filter(({ name }) => ["error", "warning", "notice"].includes(name));
}

function digestIn(record: Record<string, unknown>): string {
  return String(record["digest"]);
}
