import { afterAll, beforeAll, expect, test } from "bun:test";

import { z } from "zod";

import { eventsOf, recordOf } from "../support/deployment-record.ts";
import { runStep, startStep, type StepOptions, type StepResult } from "../support/github-runner.ts";
import { sharedKeys } from "../support/keys.ts";
import { expectVersion } from "../support/observe.ts";
import { type Scene, startScene, waitUntilUp } from "../support/scene.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { createTestCa } from "../support/test-ca.ts";
import { waitFor } from "../support/wait.ts";

/** Takes some seconds when the network is slow. */
const LARGE = 400_000;
const SLOW = { kind: "slow", bytesPerSecond: 80_000 } as const;
const STEP_DEADLINE = 90_000;
const PRINT_DEADLINE = 30_000;

const Listing = z.object({ deployments: z.array(z.object({ id: z.string() })) });

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        // Each is another large layer, which is not on the host yet.
        for (const version of ["cut", "lost", "killed", "late", "cancelled"])
          await aws.publish("web", version, { payloadBytes: LARGE });
        const services = ["cut", "lost", "killed", "late", "cancelled", "tls"].map(
          (name) =>
            `  ${name}:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 1s\n    ports: ["127.0.0.1::8080"]\n`,
        );
        return `services:\n${services.join("")}`;
      },
    }),
  );
  scene.aws.registry.faults.add(SLOW, { on: "blob", minBytes: LARGE });
});

afterAll(() => cleanup.disposeAsync());

test.concurrent(
  "a stream that is cut every second is followed to the end, each event told once, by one deployment",
  async () => {
    await using proxy = await startTcpProxy(scene.daemon.port);
    proxy.cutAfter(1_000);
    const result = await runStep(optionsFor("cut", "cut", { url: `http://127.0.0.1:${proxy.port}` }));
    expect([result.exitCode, result.outputs["status"]]).toEqual([0, "succeeded"]);
    expect(proxy.connections()).toBeGreaterThan(4);
    expect(result.raw).not.toContain("Warning");
    await expectWholeStory(result);
    expect(await deploymentsOf("cut")).toEqual([result.outputs["deployment"] ?? ""]);
    await expectVersion(scene.project, "cut", "cut");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a request whose answer was lost is sent again, and is the same deployment",
  async () => {
    await using proxy = await startTcpProxy(scene.daemon.port);
    proxy.loseAnswer();
    const result = await runStep(optionsFor("lost", "lost", { url: `http://127.0.0.1:${proxy.port}` }));
    expect([result.exitCode, result.outputs["status"]]).toEqual([0, "succeeded"]);
    expect(result.raw).toContain("trying again");
    await expectWholeStory(result);
    expect(await deploymentsOf("lost")).toEqual([result.outputs["deployment"] ?? ""]);
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a timeout ends the waiting, not the deployment, and says where it will be told",
  async () => {
    const { exitCode, log, outputs, summary } = await runStep(optionsFor("late", "late", { timeout: "2s" }));
    const id = outputs["deployment"] ?? "";
    expect([exitCode, outputs]).toEqual([7, { deployment: id, status: "running" }]);
    const why = `it has not ended within the timeout; deployment ${id} goes on all the same: "deployer-service logs ${id} -f" on the host follows it`;
    expect(log.commands.at(-1)).toEqual({
      name: "error",
      properties: { title: "late: waited long enough" },
      data: why,
    });
    expect(summary).toContain(`goes on all the same`);
    expect((await recordOf(scene.daemon, id)).status).toBe("succeeded");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a job that is cancelled says at once that the deployment goes on",
  async () => {
    const step = await startStep(optionsFor("cancelled", "cancelled"));
    await waitFor("its id", PRINT_DEADLINE, () => step.printed().includes("to be rolled out"));
    const cancelledAt = Date.now();
    step.cancel();
    const { exitCode, outputs, raw } = await step.ended;
    expect(Date.now() - cancelledAt).toBeLessThan(5_000);
    expect(exitCode).toBe(7);
    expect(raw).toContain(`the job was cancelled; deployment ${outputs["deployment"]} goes on all the same`);
    expect((await recordOf(scene.daemon, outputs["deployment"] ?? "")).status).toBe("succeeded");
  },
  STEP_DEADLINE,
);

test.concurrent(
  "a daemon with a certificate of a private authority is believed by that one, and by it alone",
  async () => {
    using ca = await createTestCa();
    using other = await createTestCa();
    const { certificate, key } = await ca.issue("localhost");
    await using proxy = await startTcpProxy(scene.daemon.port, { key, cert: certificate });
    const url = `https://localhost:${proxy.port}`;
    const good = await runStep(optionsFor("tls", "v1", { url, ca: ca.certificate }));
    expect([good.exitCode, good.outputs["status"]]).toEqual([0, "succeeded"]);
    await expectWholeStory(good);

    for (const inputs of [{ url }, { url, ca: other.certificate }]) {
      const bad = await runStep(optionsFor("tls", "v1", inputs));
      expect([bad.exitCode, bad.outputs]).toEqual([7, {}]);
      expect(bad.log.commands.at(-1)?.data).toMatch(
        /its certificate is from an issuer that is not known here/,
      );
    }
    const elsewhere = await runStep(
      optionsFor("tls", "v1", { url: `https://127.0.0.1:${proxy.port}`, ca: ca.certificate }),
    );
    expect([elsewhere.exitCode, elsewhere.outputs]).toEqual([7, {}]);
    expect(elsewhere.log.commands.at(-1)?.data).toMatch(/its certificate is not for the name/);
    expect(await deploymentsOf("tls")).toHaveLength(1);
  },
  STEP_DEADLINE,
);

test(
  "a daemon that is killed in the middle and started again: the true end is told",
  async () => {
    const step = await startStep(optionsFor("killed", "killed"));
    await waitFor("its resolution", PRINT_DEADLINE, () => step.printed().includes("to be rolled out"));
    await scene.daemon.stop("SIGKILL");
    await waitFor("its notice", PRINT_DEADLINE, () => step.printed().includes("the daemon went away"));
    scene.daemon = cleanup.use(await scene.daemon.startAgain());
    const result = await step.ended;
    expect([result.exitCode, result.outputs["status"]]).toEqual([0, "succeeded"]);
    expect(result.log.text).toContainEqual(expect.stringContaining("the daemon stopped in the middle of it"));
    await expectWholeStory(result);
    expect(await deploymentsOf("killed")).toEqual([result.outputs["deployment"] ?? ""]);
    await expectVersion(scene.project, "killed", "killed");
    await waitUntilUp(scene.daemon);
  },
  STEP_DEADLINE,
);

/** Every event of the deployment once, in order; how far a pull has come is told beside them. */
async function expectWholeStory({ log, outputs }: StepResult): Promise<void> {
  const events = await eventsOf(scene.daemon, outputs["deployment"] ?? "");
  const told = log.text
    .flatMap((line) => /^\d\d:\d\d:\d\d {2}(.*)$/.exec(line)?.[1] ?? [])
    .filter((text) => !/ of .+, \d+ of \d+ layers$/.test(text));
  const marks = new Map([
    ["info", ""],
    ["warn", "warning: "],
    ["error", "error: "],
  ]);
  expect(told).toEqual(events.map(({ level, text }) => `${marks.get(level)}${text}`));
}

async function deploymentsOf(service: string): Promise<string[]> {
  const reply = await scene.daemon.request("GET", `/deployments?service=${service}`, {
    headers: { Authorization: `Bearer ${await scene.daemon.token()}` },
  });
  return Listing.parse(JSON.parse(reply.text)).deployments.map(({ id }) => id);
}

function optionsFor(service: string, tag: string, inputs: Record<string, string> = {}): StepOptions {
  return {
    inputs: {
      url: scene.daemon.url,
      key: sharedKeys().privatePem,
      service,
      image: `${scene.aws.repository("web")}:${tag}`,
      ...inputs,
    },
  };
}
