import { expect, test } from "bun:test";

import { expectVersionInside, lives } from "../support/observe.ts";
import { startScene } from "../support/scene.ts";

/** What the daemon gives a running deployment after SIGTERM, and the units' TimeoutStopSec. */
const FINISH_WITHIN = 75_000;
const KILLED_AFTER = 120_000;
const DEADLINE = 180_000;
const STRATEGIES = ["recreate", "rolling"] as const;
const END = { recreate: "rolled_back", rolling: "failed" };

test(
  "SIGTERM during deployments that do not end in 75 s: they go back, the containers of before serve, and it ends with 0",
  async () => {
    await using scene = await startScene({
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "never", { healthyAfter: "never" });
        const image = `image: ${aws.repository("web")}:v1`;
        const services = STRATEGIES.map(
          (strategy) =>
            `  ${strategy}:\n    ${image}\n    x-deployer: { strategy: ${strategy}, health: /cgi-bin/health, timeout: 10m }\n`,
        );
        return `services:\n${services.join("")}`;
      },
    });
    const { aws, project, daemon } = scene;
    const before = await lives(project);
    const image = `${aws.repository("web")}:never`;
    const calls = STRATEGIES.map((service) => daemon.deploy({ service, image }));
    for (const service of STRATEGIES) {
      await daemon.waitForLog(
        ({ message, fields }) => message === "deployment started" && fields?.["service"] === service,
      );
    }

    const began = performance.now();
    const exit = daemon.stop("SIGTERM");
    await daemon.waitForLog(({ message }) => message.startsWith("stopping"));
    // Being told again makes it neither faster nor careless.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.kill(daemon.pid, signal);
    const replies = await Promise.all(calls);
    expect(await exit).toBe(0);
    const took = performance.now() - began;
    expect(took).toBeGreaterThan(FINISH_WITHIN);
    expect(took).toBeLessThan(KILLED_AFTER);

    for (const [index, service] of STRATEGIES.entries()) {
      const { status, text } = replies[index] ?? {};
      const old = before.find((life) => life.service === service);
      expect([service, status, text?.split("\n").slice(0, 3)]).toEqual([
        service,
        500,
        [
          "unable to update service",
          "interrupted: the daemon was stopped and the deployment did not end in time",
          `what serves now: ${old?.image} in container ${old?.id.slice(0, 12)}`,
        ],
      ]);
      const ended = daemon
        .log()
        .find(({ message, fields }) => message === "deployment ended" && fields?.["service"] === service);
      expect([service, ended?.fields?.["status"]]).toEqual([service, END[service]]);
      await expectVersionInside(project, service, "v1");
    }
    const after = await lives(project);
    expect(after.map(({ id, state }) => [id, state])).toEqual(before.map(({ id, state }) => [id, state]));
  },
  DEADLINE,
);
