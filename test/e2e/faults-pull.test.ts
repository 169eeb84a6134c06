import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync, statfsSync } from "node:fs";
import { join } from "node:path";

import { idOf, recordOf } from "../support/deployment-record.ts";
import { type PrivateDocker, startDocker } from "../support/docker.ts";
import type { EcrRegistry } from "../support/ecr-registry.ts";
import { freePort } from "../support/free-port.ts";
import { lifeOf } from "../support/observe.ts";
import { peerService } from "../support/peer.ts";
import { attempt } from "../support/run.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { waitFor } from "../support/wait.ts";
import { startWitnesses, type Witnesses } from "../support/witnesses.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 192 * MIB;
const TOO_LARGE = 64 * MIB;
const FITS = 6 * MIB;
const SLOW_BYTES_PER_SECOND = 1 * MIB;
const PULL_DEADLINE = 20_000;
const UNDER_WAY_MS = 300;
const SUCCESS: [number, string] = [200, "deploy request successful for service web\n"];

const cleanup = new AsyncDisposableStack();
let docker: PrivateDocker;
let scene: Scene;
let witnesses: Witnesses;

beforeAll(async () => {
  docker = cleanup.use(await startDocker({ maxDownloadAttempts: 1, diskBytes: DISK_BYTES }));
  const port = freePort();
  scene = cleanup.use(
    await startScene({
      docker,
      compose: async (aws) => {
        await aws.publish("web", "v1");
        await aws.publish("web", "too-large", { payloadBytes: TOO_LARGE });
        await aws.publish("web", "v2", { payloadBytes: FITS });
        const image = `${aws.repository("web")}:v1`;
        return `services:\n  web:\n    image: ${image}\n    ports: ["127.0.0.1:${port}:8080"]\n    x-deployer: { watch: 1s }\n${peerService(image)}`;
      },
    }),
  );
  witnesses = cleanup.use(await startWitnesses(scene.project, [{ service: "web", port }], docker));
});

afterAll(() => cleanup.disposeAsync());

test("an image that does not fit on the disk is refused; nobody notices, and nothing of it is left", async () => {
  const free = freeBytes();
  await expectUntouched("too-large", undefined, /it needs about .* are free/);
  expect(freeBytes()).toBeGreaterThan(free - MIB);
});

test("the disk fills up during the pull: the deployment fails, nobody notices, and the same succeeds when there is room", async () => {
  const filler = join(docker.dataRoot, "filler");
  await expectUntouched(
    "v2",
    async () => {
      // Until there is no room: the pull takes some of it at the same time.
      await attempt(["dd", "if=/dev/zero", `of=${filler}`, "bs=64k"]);
    },
    /disk|space|room|free/,
  );
  rmSync(filler);
});

test("the registry dies during the pull: the deployment fails, nobody notices, and the same succeeds when it is back", async () => {
  const { aws, daemon } = scene;
  await expectUntouched("v2", () => aws.registry.down(), /registry|connection refused/);
  await aws.registry.up();
  const reply = await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
  expect([reply.status, reply.text]).toEqual(SUCCESS);
  await witnesses.next("web", ({ version }) => version === "v2");
});

/** Deploys from a slow line, does `harm` when its large layer is on its way, and expects that only the caller hears of it. */
async function expectUntouched(
  tag: string,
  harm: (() => Promise<unknown>) | undefined,
  reason: RegExp,
): Promise<void> {
  const { project, daemon, aws } = scene;
  const before = await lifeOf(project, "web", docker);
  await witnesses.next("web", ({ version }) => version === "v1");
  aws.registry.faults.add(
    { kind: "slow", bytesPerSecond: SLOW_BYTES_PER_SECOND },
    { on: "blob", minBytes: FITS / 2 },
  );
  const since = Date.now();
  const asked = aws.registry.requests.length;
  const reply = daemon.deploy({ service: "web", image: `${aws.repository("web")}:${tag}` });
  if (harm !== undefined) {
    await waitFor("the layer to be on its way", PULL_DEADLINE, () =>
      aws.registry.requests.slice(asked).some(isUnderWay),
    );
    await harm();
  }
  const { status, text, headers } = await reply;
  aws.registry.faults.clear();
  const [head, told] = text.split("\n");
  expect([status, head]).toEqual([500, "unable to update service"]);
  expect(told).toMatch(reason);
  expect(await recordOf(daemon, idOf({ status, text, headers }))).toMatchObject({
    status: "failed",
    changed: false,
  });
  await witnesses.next("web", ({ version }) => version === "v1");
  expect(witnesses.answers("web", since).filter(({ version }) => version !== "v1")).toEqual([]);
  expect(await lifeOf(project, "web", docker)).toEqual(before);
}

/** A blob that takes its time: configurations do not. */
function isUnderWay({ path, status, at }: EcrRegistry["requests"][number]): boolean {
  return path.includes("/blobs/") && status === 0 && Date.now() - at >= UNDER_WAY_MS;
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(docker.dataRoot);
  return bavail * bsize;
}
