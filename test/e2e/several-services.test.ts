import { afterAll, beforeAll, expect, test } from "bun:test";

import { idOf, recordOf } from "../support/deployment-record.ts";
import { expectVersionInside, lives } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";
import type { Aws } from "../support/stage.ts";

const SERVICES = ["web", "worker"];

const cleanup = new AsyncDisposableStack();
let scene: Scene;

beforeAll(async () => {
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        await aws.publish("shop", "v1");
        await aws.publish("shop", "v2");
        await aws.publish("shop", "crashes", { crashAfter: 4 });
        return composeFile(aws);
      },
    }),
  );
});
afterAll(() => cleanup.disposeAsync());

/** One image, two strategies. */
function composeFile(aws: Aws): string {
  return `services:
  web:
    image: ${aws.repository("shop")}:v1
    x-deployer: { strategy: rolling, health: /, watch: 2s }
  worker:
    image: ${aws.repository("shop")}:v1
    x-deployer: { watch: 6s }
`;
}

test("several services are one deployment, and one answer", async () => {
  const { aws, project, daemon } = scene;
  const reply = await daemon.deploy({ services: SERVICES, image: `${aws.repository("shop")}:v2` });
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for services web, worker\n"]);
  for (const service of SERVICES) await expectVersionInside(project, service, "v2");
  expect(await recordOf(daemon, idOf(reply))).toMatchObject({
    status: "succeeded",
    services: SERVICES.map((service) => expect.objectContaining({ service, digest: expect.any(String) })),
  });

  const up = await project.compose("-f", `${daemon.stateDir}/pins.compose.yml`, "up", "-d");
  expect(up.stderr).not.toMatch(/Recreate|Started|Created/);
});

test("one that fails in the watch takes the others back with it, to the very containers that ran", async () => {
  const { aws, project, daemon } = scene;
  const before = (await lives(project)).map(({ service, id, image }) => ({ service, id, image }));
  const images = { web: `${aws.repository("shop")}:v1`, worker: `${aws.repository("shop")}:crashes` };
  const reply = await daemon.deploy({ services: SERVICES, images });
  expect(reply.status).toBe(500);
  expect(reply.text).toMatch(
    /^unable to update service\ncontainer \w+ of service "worker" exited with code 1\n/,
  );
  expect(reply.text).toContain('what serves now of "web"');
  const record = await recordOf(daemon, idOf(reply));
  expect(record.status).toBe("rolled_back");
  expect(record.diagnosis.map(({ service, exit_code }) => [service, exit_code])).toEqual([["worker", 1]]);
  for (const service of SERVICES) await expectVersionInside(project, service, "v2");
  expect((await lives(project)).map(({ service, id, image }) => ({ service, id, image }))).toEqual(before);
});

test("a rollback of one leaves the other alone", async () => {
  const { project, daemon } = scene;
  const worker = (await lives(project, "worker"))[0];
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  // v1 was there before the daemon: no deployment has decided on it.
  const none = await daemon.request("POST", "/rollback", { headers, body: '{"service":"web"}' });
  expect([none.status, none.text]).toEqual([409, expect.stringContaining("no earlier version")]);
  expect((await lives(project, "worker"))[0]).toEqual(worker);
});
