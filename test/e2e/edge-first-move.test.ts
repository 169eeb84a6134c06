import { expect, test } from "bun:test";

import { idOf, recordOf } from "../support/deployment-record.ts";
import { freePort } from "../support/free-port.ts";
import { publishHaproxy } from "../support/haproxy-image.ts";
import { startScene } from "../support/scene.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";
import { publishWeb } from "../support/web-image.ts";

const LISTENS_WITHIN = 20_000;
const VERSIONS = ["v1", "v2", "bad"] as const;

test("from a published port to the edge: the edge has the port when the old container has stopped, and gives it back when the new one fails", async () => {
  const port = freePort();
  const repository = `first-move-${crypto.randomUUID().slice(0, 8)}`;
  const { registry } = stage();
  const proxy = await publishHaproxy(registry, { repository: `${repository}/haproxy`, tag: "3.0" });
  const [v1, v2, bad] = await Promise.all(
    VERSIONS.map((version) =>
      publishWeb(registry, {
        repository: `${repository}/web`,
        tag: version,
        version,
        neverHealthy: version === "bad",
      }),
    ),
  );
  const before = `services:\n  web:\n    image: ${v1?.reference}\n    ports: ["${port}:8080"]\n`;
  const after = `x-deployer: { edge: { http: ${port}, image: "${proxy.reference}" } }
services:
  web:
    image: ${v1?.reference}
    x-deployer: { port: 8080, health: /health, timeout: 3s, route: { path: / } }
`;
  await using scene = await startScene({ compose: async () => before });
  const { project, daemon } = scene;
  const version = async (): Promise<string | null> =>
    (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.headers.get("X-Version") ?? null;
  await waitFor("the first version to listen", LISTENS_WITHIN, async () => (await version()) === "v1");
  const [old] = await project.containers();

  project.write(after);
  const failed = idOf(await daemon.deploy({ service: "web", image: bad?.reference }));
  expect(await recordOf(daemon, failed)).toMatchObject({ status: "rolled_back" });
  expect(await version()).toBe("v1");
  expect((await project.containers()).map(({ id, state }) => [id, state])).toEqual([
    [old?.id ?? "", "running"],
  ]);

  const moved = idOf(await daemon.deploy({ service: "web", image: v2?.reference }));
  expect(await recordOf(daemon, moved)).toMatchObject({ status: "succeeded" });
  expect(await version()).toBe("v2");
  const [now, ...more] = await project.containers();
  expect([more, now?.ports]).toEqual([[], {}]);
});
