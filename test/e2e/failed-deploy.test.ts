import { afterAll, beforeAll, expect, test } from "bun:test";

import { eventsOf, idOf, recordOf } from "../support/deployment-record.ts";
import { freePort } from "../support/free-port.ts";
import { expectVersion, lifeOf, lives } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { type Aws, stage } from "../support/stage.ts";

type Form = "plain" | "fixed" | "anonymous";
type Failure = {
  name: string;
  /** Tag of the candidate; undefined: what runs already, with another configuration. */
  tag?: string;
  /** Added to the service before the deployment. */
  edit?: string;
  status: "failed" | "rolled_back";
  reason: RegExp;
  /** What follows it about the candidate; undefined: it never ran. */
  diagnosis?: { facts: RegExp; prints: string };
};

const SETUP_DEADLINE = 240_000;
const FORMS: readonly Form[] = ["plain", "fixed", "anonymous"];
/** The port that is taken, filled in when it is known. */
const TAKEN = "TAKEN";
const FAILURES: readonly Failure[] = [
  {
    name: "exits",
    tag: "exits",
    status: "rolled_back",
    reason: /^container [0-9a-f]{12} of service "\S+" exited with code 3$/,
    diagnosis: { facts: /^exit code 3$/, prints: "version exits gives up" },
  },
  {
    name: "crashes",
    tag: "crashes",
    status: "rolled_back",
    reason: /^container [0-9a-f]{12} of service "\S+" exited with code 1$/,
    diagnosis: { facts: /^exit code 1$/, prints: "version crashes crashes" },
  },
  {
    name: "loops",
    tag: "exits",
    edit: "restart: always",
    status: "rolled_back",
    reason:
      /^container [0-9a-f]{12} of service "\S+" (restarted after it exited with code 3|did not stay up, Docker restarted it)$/,
    diagnosis: { facts: /^exit code 3, restarted (once|twice|\d+ times)$/, prints: "version exits gives up" },
  },
  {
    name: "port",
    tag: "v2",
    edit: `ports: ["127.0.0.1::8080", "127.0.0.1:${TAKEN}:9090"]`,
    status: "rolled_back",
    reason: /port is already allocated|address already in use/,
  },
  { name: "absent", tag: "absent", status: "failed", reason: /^registry \S+ does not have \S+:absent: / },
  {
    name: "mount",
    tag: "v2",
    edit: `volumes: [/data, { type: bind, source: /nowhere/at/all, target: /mnt, bind: { create_host_path: false } }]`,
    status: "failed",
    reason: /\/nowhere\/at\/all/,
  },
];
const ROWS = FORMS.flatMap((form) => FAILURES.map((failure): [Form, Failure] => [form, failure]));

const cleanup = new AsyncDisposableStack();
const suffix = crypto.randomUUID().slice(0, 8);
let scene: Scene;

beforeAll(async () => {
  const taken = freePort();
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "v2");
        await aws.publish("web", "exits", { exitCode: 3 });
        await aws.publish("web", "crashes", { crashAfter: 1 });
        return composeFile(aws, () => "", taken);
      },
    }),
  );
  const { project, aws } = scene;
  for (const { service, id } of await lives(project)) {
    if (service.startsWith("anonymous"))
      await stage().docker.docker("exec", id, "sh", "-c", "echo kept > /data/note");
  }
  project.write(composeFile(aws, ({ edit = "" }) => edit.replace(TAKEN, String(taken)), taken));
}, SETUP_DEADLINE);

afterAll(() => cleanup.disposeAsync());

for (const [form, failure] of ROWS) {
  const service = serviceName(form, failure);
  test.concurrent(
    `a ${form} service whose candidate fails (${failure.name}): the old version serves again`,
    async () => {
      const { project, daemon, aws } = scene;
      await expectVersion(project, service, "v1");
      const before = await lifeOf(project, service);

      const image = `${aws.repository("web")}:${failure.tag ?? "v1"}`;
      const reply = await daemon.deploy({ service, image });
      const lines = reply.text.split("\n");
      expect([reply.status, lines[0]]).toEqual([500, "unable to update service"]);
      expect(lines[1]).toMatch(failure.reason);

      await expectVersion(project, service, "v1");
      const after = await lifeOf(project, service);
      expect([lines[2], lines.at(-1)]).toEqual([
        `what serves now: ${before.image} in container ${after.id.slice(0, 12)}`,
        "",
      ]);
      expectDiagnosis(lines.slice(3, -1), service, failure);
      expect(after.image).toBe(before.image);
      expect(after.name).toBe(form === "fixed" ? containerName(service) : after.name);
      if (failure.status === "failed") expect(after).toEqual(before);
      if (form === "plain") expect(after.id).toBe(before.id);
      if (form === "anonymous") {
        const note = await stage().docker.docker("exec", after.id, "cat", "/data/note");
        expect(note.stdout).toBe("kept\n");
      }
      expect(await recordOf(daemon, idOf(reply))).toMatchObject({
        status: failure.status,
        changed: false,
        reason: lines.slice(1, 3).join("\n"),
      });
    },
  );
}

test("what failed twice is rolled out when it is good", async () => {
  const { project, daemon, aws } = scene;
  await Promise.all(
    FORMS.map(async (form) => {
      const service = `${form}-exits`;
      const bad = await daemon.deploy({ service, image: `${aws.repository("web")}:exits` });
      expect(bad.status).toBe(500);
      await expectVersion(project, service, "v1");
      const good = await daemon.deploy({ service, image: `${aws.repository("web")}:v2` });
      expect([good.status, good.text]).toEqual([200, `deploy request successful for service ${service}\n`]);
      await expectVersion(project, service, "v2");
      await lifeOf(project, service);
    }),
  );
});

test("an edit that cannot work is gone back from as often as it is tried, to what ran before the edit", async () => {
  const { project, daemon, aws } = scene;
  await Promise.all(
    FORMS.map(async (form) => {
      const service = `${form}-port`;
      const reply = await daemon.deploy({ service, image: `${aws.repository("web")}:v2` });
      expect(reply.status).toBe(500);
      expect(await recordOf(daemon, idOf(reply))).toMatchObject({ status: "rolled_back" });
      await expectVersion(project, service, "v1");
      await lifeOf(project, service);
    }),
  );
});

for (const form of FORMS) {
  test.concurrent(`the first deployment of a ${form} service fails without a trace`, async () => {
    const { project, daemon, aws } = scene;
    const service = `${form}-new`;
    const bad = await daemon.deploy({ service, image: `${aws.repository("web")}:exits` });
    expect(bad.status).toBe(500);
    const [title, reason, serving, ...lines] = bad.text.split("\n");
    expect([title, reason, serving, lines.pop()]).toEqual([
      "unable to update service",
      expect.stringMatching(/exited with code 3$/),
      `what serves now: nothing, "${service}" has no container`,
      "",
    ]);
    expectDiagnosis(lines, service, {
      diagnosis: { facts: /^exit code 3$/, prints: "version exits gives up" },
    });
    expect(await recordOf(daemon, idOf(bad))).toMatchObject({ status: "failed", changed: false });
    const told = (await eventsOf(daemon, idOf(bad))).map(({ text }) => text);
    expect(told).toContain("version exits gives up");
    expect(await lives(project, service)).toEqual([]);
    const good = await daemon.deploy({ service, image: `${aws.repository("web")}:v2` });
    expect(good.status).toBe(200);
    await expectVersion(project, service, "v2");
  });
}

/** Which container it was, how it ended, and what it printed, indented. */
function expectDiagnosis(
  [summary, heading, ...output]: string[],
  service: string,
  { diagnosis }: Pick<Failure, "diagnosis">,
): void {
  if (diagnosis === undefined) {
    expect(summary).toBeUndefined();
    return;
  }
  const [, name, facts] = /^container [0-9a-f]{12} of service "(\S+)": (.*)$/.exec(summary ?? "") ?? [];
  expect([name, facts]).toEqual([service, expect.stringMatching(diagnosis.facts)]);
  expect(heading).toBe("all it printed:");
  expect(output).toContain(`  ${diagnosis.prints}`);
  expect(output.filter((line) => !line.startsWith("  "))).toEqual([]);
}

function serviceName(form: Form, { name }: Failure): string {
  return `${form}-${name}`;
}

function containerName(service: string): string {
  return `${service}-${suffix}`;
}

function composeFile(aws: Aws, edit: (failure: Failure) => string, taken: number): string {
  const image = `${aws.repository("web")}:v1`;
  const services = ROWS.map(([form, failure]) =>
    serviceText(form, serviceName(form, failure), image, edit(failure)),
  );
  const fresh = FORMS.map((form) => `${serviceText(form, `${form}-new`, image, "")}    profiles: [later]\n`);
  const holder = `  holder:\n    image: ${image}\n    ports: ["127.0.0.1:${taken}:8080"]\n`;
  return `services:\n${[...services, ...fresh, holder].join("")}`;
}

function serviceText(form: Form, name: string, image: string, edit: string): string {
  const lines = [`image: ${image}`, "stop_grace_period: 2s"];
  if (!edit.startsWith("ports:")) lines.push(`ports: ["127.0.0.1::8080"]`);
  if (form === "fixed") lines.push(`container_name: ${containerName(name)}`);
  if (form === "anonymous" && !edit.startsWith("volumes:")) lines.push("volumes: [/data]");
  if (edit !== "") lines.push(edit);
  return `  ${name}:\n${lines.map((line) => `    ${line}\n`).join("")}`;
}
