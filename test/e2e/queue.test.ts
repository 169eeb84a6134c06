import { expect, test } from "bun:test";

import { z } from "zod";

import type { Daemon, Reply } from "../support/daemon.ts";
import { expectVersion, lifeOf, lives, upByHand } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";

const AT_ONCE = 20;
const SUCCESS: [number, string] = [200, "deploy request successful for service web\n"];

const Deployment = z.object({
  id: z.string(),
  status: z.string(),
  superseded_by: z.string().nullable(),
  changed: z.boolean().nullable(),
  reason: z.string(),
  started_at: z.string().nullable(),
});

test.concurrent(
  "20 requests at once for one service are two rollouts at most, and every caller is told the truth",
  async () => {
    await using scene = await startWeb(AT_ONCE + 1);
    const { project, daemon, aws } = scene;
    const calls = Array.from({ length: AT_ONCE }, (_, n) =>
      daemon.deploy({ service: "web", image: `${aws.repository("web")}:v${n + 2}` }),
    );
    const replies = await Promise.all(calls);
    expect(startedIn(daemon).length).toBeLessThanOrEqual(2);
    const records = await Promise.all(replies.map((reply) => recordOf(daemon, idOf(reply))));
    const ids = new Set(records.map(({ id }) => id));
    expect(ids.size).toBe(AT_ONCE);
    for (const [n, { status, text }] of replies.entries()) {
      const record = records[n];
      if (record?.status === "succeeded") expect([status, text]).toEqual(SUCCESS);
      else {
        expect([status, text, record?.status]).toEqual([
          409,
          `superseded by ${record?.superseded_by}\n`,
          "superseded",
        ]);
        expect(ids).toContain(record?.superseded_by ?? "");
      }
    }
    const last = startedIn(daemon).at(-1);
    const winner = records.findIndex(({ id }) => id === last);
    expect(records[winner]?.status).toBe("succeeded");
    await expectVersion(project, "web", `v${winner + 2}`);
    const deployed = await lifeOf(project, "web");
    await upByHand(project, daemon);
    expect(await lifeOf(project, "web")).toEqual(deployed);
  },
);

test.concurrent(
  "kill -9 with one running and one waiting: after the restart the running one goes on, then the waiting one runs, once",
  async () => {
    await using scene = await startWeb(3);
    const { project, daemon, aws } = scene;
    const image = aws.repository("web");
    aws.registry.faults.add({ kind: "hang" }, { on: "manifest" });
    const running = await daemon.deploy(
      { service: "web", image: `${image}:v2` },
      { Prefer: "respond-async" },
    );
    await daemon.waitForLog(({ message }) => message === "deployment started");
    const waiting = await daemon.deploy(
      { service: "web", image: `${image}:v3` },
      { Prefer: "respond-async" },
    );
    expect([running.status, waiting.status]).toEqual([202, 202]);
    expect(await daemon.stop("SIGKILL")).toBe(137);
    aws.registry.faults.clear();

    await using second = await daemon.startAgain();
    const ended = await recordOf(second, idOf(waiting));
    expect(ended).toMatchObject({ status: "succeeded", changed: true });
    expect(await recordOf(second, idOf(running))).toMatchObject({ status: "succeeded", changed: true });
    expect(startedIn(second)).toEqual([idOf(running), idOf(waiting)]);
    await expectVersion(project, "web", "v3");
    const deployed = await lives(project);
    expect(deployed).toHaveLength(1);

    expect(await second.stop("SIGKILL")).toBe(137);
    await using third = await second.startAgain();
    await third.waitForLog(({ message }) => message === "services are up");
    expect(await recordOf(third, idOf(waiting))).toEqual(ended);
    expect(startedIn(third)).toEqual([]);
    expect(await lives(project)).toEqual(deployed);
  },
);

test.concurrent(
  "a request with an Idempotency-Key, twice at once and again after a restart, is one deployment",
  async () => {
    await using scene = await startWeb(3);
    const { project, daemon, aws } = scene;
    const body = { service: "web", image: `${aws.repository("web")}:v2`, force: true };
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const [one, other] = await Promise.all([daemon.deploy(body, headers), daemon.deploy(body, headers)]);
    if (one === undefined || other === undefined) throw new Error("two calls, two replies");
    expect([one.status, one.text]).toEqual(SUCCESS);
    expect([other.status, other.text, idOf(other)]).toEqual([...SUCCESS, idOf(one)]);
    expect(startedIn(daemon)).toEqual([idOf(one)]);
    const deployed = await lifeOf(project, "web");

    expect(await daemon.stop("SIGKILL")).toBe(137);
    await using again = await daemon.startAgain();
    const repeated = await again.deploy(body, headers);
    expect([repeated.status, repeated.text, idOf(repeated)]).toEqual([...SUCCESS, idOf(one)]);
    const later = await again.deploy(body, { ...headers, Prefer: "respond-async" });
    expect([later.status, later.headers.get("Location")]).toEqual([202, `/deployments/${idOf(one)}`]);
    const another = await again.deploy({ ...body, image: `${aws.repository("web")}:v3` }, headers);
    expect([another.status, another.text]).toEqual([
      409,
      `this Idempotency-Key was used for another request, deployment ${idOf(one)}; every request needs a key of its own\n`,
    ]);
    expect(startedIn(again)).toEqual([]);
    expect(await lifeOf(project, "web")).toEqual(deployed);
  },
);

test.concurrent(
  "a run of CI older than the newest accepted one is refused, before and after a restart, unless forced",
  async () => {
    await using scene = await startWeb(3);
    const { project, daemon, aws } = scene;
    const image = aws.repository("web");
    const run = (number: number) => ({ workflow: "123456/.github/workflows/deploy.yml", number });
    const newer = await daemon.deploy({ service: "web", image: `${image}:v3`, run: run(41) });
    expect([newer.status, newer.text]).toEqual(SUCCESS);
    const deployed = await lifeOf(project, "web");
    expect(await daemon.stop("SIGKILL")).toBe(137);

    await using again = await daemon.startAgain();
    const older = { service: "web", image: `${image}:v2`, run: run(40) };
    const late = await again.deploy(older);
    expect([late.status, late.text]).toEqual([
      409,
      `superseded by ${idOf(newer)}\nrun 40 is older than 41; use rollback or "force": true\n`,
    ]);
    expect(late.headers.get("Deployer-Deployment")).toBeNull();
    expect(await lifeOf(project, "web")).toEqual(deployed);
    const forced = await again.deploy({ ...older, force: true });
    expect([forced.status, forced.text]).toEqual(SUCCESS);
    await expectVersion(project, "web", "v2");
    expect((await again.deploy(older)).status).toBe(409);
  },
);

/** `web` on version 1, with versions up to this one in the registry. */
function startWeb(versions: number): Promise<Scene> {
  return startScene({
    compose: async (aws) => {
      for (let n = 1; n <= versions; n += 1) await aws.publish("web", `v${n}`);
      return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]\n`;
    },
  });
}

/** The deployments this run of the daemon has begun, in order. */
function startedIn(daemon: Daemon): unknown[] {
  return daemon
    .log()
    .filter(({ message }) => message === "deployment started")
    .map(({ fields }) => fields?.["deployment"]);
}

function idOf(reply: Reply): string {
  return reply.headers.get("Deployer-Deployment") ?? "";
}

async function recordOf(daemon: Daemon, id: string): Promise<z.infer<typeof Deployment>> {
  const headers = { Authorization: `Bearer ${await daemon.token()}`, Prefer: "wait=60" };
  return Deployment.parse(JSON.parse((await daemon.request("GET", `/deployments/${id}`, { headers })).text));
}
