import { expect, test } from "bun:test";

import { eventsToTheEnd, idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { freePort } from "../support/free-port.ts";
import { expectVersionInside, lives } from "../support/observe.ts";
import { peerService } from "../support/peer.ts";
import { signalTree } from "../support/process-tree.ts";
import { startScene } from "../support/scene.ts";
import { longestGap, startWitnesses, wrongAnswers } from "../support/witnesses.ts";

const STRATEGIES = ["recreate", "rolling"] as const;
const STEPS = ["before", "gating", "watching"];
/** On a machine that does seven more deployments: what recreate may be down. */
const STOP_AND_START_MS = 10_000;
/** What a stop of the service does: our units signal the daemon alone first, the original's signals all its processes. */
const UNITS = { "KillMode=mixed": "daemon", "KillMode=control-group": "tree" } as const;

for (const strategy of STRATEGIES) {
  for (const step of STEPS) {
    for (const [unit, whom] of Object.entries(UNITS)) {
      test.concurrent(
        `SIGTERM by a unit with ${unit} at "${step}" (${strategy}): the deployment is finished, then the daemon ends with 0`,
        async () => {
          const port = strategy === "recreate" ? freePort() : undefined;
          await using scene = await startScene({
            compose: async (aws) => {
              await aws.publish("web", "v1", { drainFor: 0.3 });
              await aws.publish("web", "v2", { healthyAfter: 2 });
              return webFile(`${aws.repository("web")}:v1`, strategy, port);
            },
          });
          const { project, daemon, aws } = scene;
          await using witnesses = await startWitnesses(project, [{ service: "web", port }]);
          await witnesses.next("web", ({ version }) => version === "v1");
          const since = Date.now();
          const accepted = await daemon.deploy(
            { service: "web", image: `${aws.repository("web")}:v2` },
            { Prefer: "respond-async" },
          );
          const id = idOf(accepted);
          const told = eventsToTheEnd(daemon, id);
          await untilPhase(daemon, id, step);
          if (whom === "tree") signalTree(daemon.pid, "SIGTERM");
          else process.kill(daemon.pid, "SIGTERM");
          expect(await recordOf(daemon, id)).toMatchObject({ status: "succeeded", changed: true });
          expect(await daemon.exit).toBe(0);

          // Nobody is there to look after it now.
          await witnesses.next("web", ({ version }) => version === "v2", "peer");
          await expectVersionInside(project, "web", "v2");
          expect(await lives(project, "web")).toHaveLength(1);
          const answers = witnesses.answers("web", since);
          const events = await told;
          expect(wrongAnswers(answers, { old: "v1", candidate: "v2", serving: "v2", events })).toEqual([]);
          const ofPeer = witnesses.answers("web", since, "peer");
          if (strategy === "rolling")
            expect(ofPeer.filter(({ failure }) => failure !== undefined)).toEqual([]);
          else expect(longestGap(ofPeer, since)).toBeLessThan(STOP_AND_START_MS);
        },
      );
    }
  }
}

function webFile(image: string, strategy: string, port: number | undefined): string {
  const ports = port === undefined ? "" : `    ports: ["127.0.0.1:${port}:8080"]\n`;
  return `services:
  web:
    image: ${image}
    stop_grace_period: 2s
    x-deployer:
      strategy: ${strategy}
      watch: 2s
      health: /cgi-bin/health
      before: [["/bin/sleep", "1"]]
${ports}${peerService(image)}`;
}
