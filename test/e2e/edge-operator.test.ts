import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { z } from "zod";

import { command } from "../support/command-line.ts";
import { idOf, recordOf, untilPhase } from "../support/deployment-record.ts";
import { lifeOf, lives, upByHand } from "../support/observe.ts";
import { HOST, type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { proxiesOf, routedService, visit } from "../support/routed-service.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 100;
/** Ten seconds from one look to the next, and what the proxy takes to reach the container. */
const HEALED_WITHIN_MS = 13_000;
const SOME_TIME = 2_000;
/** What is known is five seconds old at most. */
const READY_DEADLINE = 20_000;
const DEADLINE = 60_000;

const Services = z.object({
  services: z.array(
    z.object({
      service: z.string(),
      edge: z
        .object({
          routes: z.array(z.object({ host: z.string().nullable(), path: z.string() })),
          servers: z.array(
            z.object({ container: z.string(), address: z.string(), state: z.string(), sessions: z.number() }),
          ),
        })
        .nullable(),
    }),
  ),
});
const Ready = z.object({
  ready: z.boolean(),
  failing: z.array(z.string()),
  edge: z.string(),
  details: z.record(z.string(), z.string()),
});

let scene: RoutedScene;
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  scene = cleanup.use(
    await startRoutedScene({
      services: (image) => `${routedService(image)}  plain:\n    image: ${image}\n`,
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

async function get(path: string): Promise<unknown> {
  const headers = { Authorization: `Bearer ${await scene.daemon.token()}` };
  return JSON.parse((await scene.daemon.request("GET", path, { headers })).text);
}

test("GET /services and status show the routes of a service and where its requests go", async () => {
  const { id } = await lifeOf(scene.project, "web");
  const { services } = Services.parse(await get("/services"));
  expect(services.find(({ service }) => service === "web")?.edge).toEqual({
    routes: [{ host: HOST, path: "/" }],
    servers: [
      { container: id, address: expect.stringMatching(/^[\d.]+:8080$/), state: "serving", sessions: 0 },
    ],
  });
  expect(services.find(({ service }) => service === "plain")?.edge).toBeNull();
  const { stdout } = await command(scene, "status");
  expect(stdout).toMatch(
    new RegExp(`behind the edge:\n.*SERVICE.*\nweb +${HOST}/ +${id.slice(0, 12)} +[\\d.]+:8080 +serving +0`),
  );
});

test(
  "docker compose up by a person, who has changed the service: it answers again within some ten seconds, by itself",
  async () => {
    const { project, daemon } = scene;
    const before = await lives(project, "web");
    const text = readFileSync(project.file, "utf8");
    project.write(text.replace("APP_NAME: web }", "APP_NAME: web, CHANGED: by hand }"));
    await using load = await scene.load({ perSecond: PER_SECOND });
    await Bun.sleep(SOME_TIME);
    await upByHand(project, daemon);
    const upAt = load.mark("up");
    expect(await lives(project, "web")).not.toEqual(before);
    await waitFor("the service to answer", HEALED_WITHIN_MS, async () => (await visit(scene)).status === 200);
    const healedAt = load.mark("healed");
    await Bun.sleep(SOME_TIME);
    const { failures, reasons } = await load.stop();
    expect(healedAt - upAt).toBeLessThan(HEALED_WITHIN_MS);
    expect(failures.filter(({ at }) => at > healedAt)).toEqual([]);
    // The old container may have been cut in the middle of an answer.
    expect(Object.keys(reasons).filter((reason) => !/^status 50[23]$/.test(reason))).toEqual([]);
  },
  DEADLINE,
);

test(
  "docker compose up by a person while the old version is drained takes the new one away: it is made anew, and visitors get it",
  async () => {
    const { project, daemon, port } = scene;
    const image = await scene.publish("v2");
    // What keeps the old version for the whole of its drain.
    const stream = await fetch(`http://127.0.0.1:${port}/events`, { headers: { Host: HOST } });
    const id = idOf(await daemon.deploy({ service: "web", image }, { Prefer: "respond-async" }));
    await untilPhase(daemon, id, "committed");
    // With the file alone, as somebody types it who does not know of pins: it wants v1.
    await project.tryCompose("up", "-d");
    expect(await recordOf(daemon, id)).toMatchObject({
      status: "succeeded",
      reason: expect.stringContaining('the new containers of "web" were taken away by somebody else'),
    });
    await stream.body?.cancel().catch(() => undefined);
    expect((await lifeOf(project, "web")).image).toContain(":v2");
    expect(await visit(scene)).toMatchObject({ status: 200, text: "v2" });
  },
  DEADLINE,
);

test(
  "/ready tells that the proxy does not answer, and that it does again",
  async () => {
    const [proxy] = await proxiesOf(scene);
    const until = (isReady: boolean) =>
      waitFor(`ready: ${isReady}`, READY_DEADLINE, async () => {
        const ready = Ready.parse(await get("/ready"));
        return ready.ready === isReady && ready;
      });
    await until(true);
    await stage().docker.docker("pause", proxy ?? "");
    expect(await until(false)).toMatchObject({
      failing: ["edge"],
      edge: "failing",
      details: { edge: expect.stringMatching(/no answer within|does not answer/) },
    });
    await stage().docker.docker("unpause", proxy ?? "");
    expect(await until(true)).toMatchObject({ failing: [], edge: "ok" });
  },
  DEADLINE,
);
