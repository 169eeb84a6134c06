import { expect, test } from "bun:test";

import { idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { expectVersionInside, lives } from "../support/observe.ts";
import { signalTree } from "../support/process-tree.ts";
import { startScene } from "../support/scene.ts";

const STRATEGIES = ["recreate", "rolling"] as const;
const STEPS = ["before", "gating", "watching"];
/** What a stop of the service does: our units signal the daemon alone first, the original's signals all its processes. */
const UNITS = { "KillMode=mixed": "daemon", "KillMode=control-group": "tree" } as const;

for (const strategy of STRATEGIES) {
  for (const step of STEPS) {
    for (const [unit, whom] of Object.entries(UNITS)) {
      test.concurrent(
        `SIGTERM by a unit with ${unit} at "${step}" (${strategy}): the deployment is finished, then the daemon ends with 0`,
        async () => {
          await using scene = await startScene({
            compose: async (aws) => {
              await aws.publish("web", "v1");
              await aws.publish("web", "v2", { healthyAfter: 2 });
              return webFile(`${aws.repository("web")}:v1`, strategy);
            },
          });
          const { project, daemon, aws } = scene;
          const accepted = await daemon.deploy(
            { service: "web", image: `${aws.repository("web")}:v2` },
            { Prefer: "respond-async" },
          );
          const id = idOf(accepted);
          await untilPhase(daemon, id, step);
          if (whom === "tree") signalTree(daemon.pid, "SIGTERM");
          else process.kill(daemon.pid, "SIGTERM");
          expect(await recordOf(daemon, id)).toMatchObject({ status: "succeeded", changed: true });
          expect(await daemon.exit).toBe(0);
          await expectVersionInside(project, "web", "v2");
          expect(await lives(project)).toHaveLength(1);
        },
      );
    }
  }
}

function webFile(image: string, strategy: string): string {
  return `services:
  web:
    image: ${image}
    stop_grace_period: 2s
    x-deployer:
      strategy: ${strategy}
      watch: 2s
      health: /cgi-bin/health
      before: [["/bin/sleep", "1"]]
`;
}
