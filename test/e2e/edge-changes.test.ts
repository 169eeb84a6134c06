import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { command } from "../support/command-line.ts";
import { publishHaproxy } from "../support/haproxy-image.ts";
import { type Life, lives } from "../support/observe.ts";
import { HOST, type RoutedScene, startRoutedScene } from "../support/routed-scene.ts";
import { failuresOf, proxiesOf, routedService, visit } from "../support/routed-service.ts";
import { waitUntilUp } from "../support/scene.ts";
import { openSockets } from "../support/sockets.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const PER_SECOND = 150;
const NEW = "new.example.com";
const SOME_TIME = 1_000;
/** The daemon looks every ten seconds. */
const NOTICED_WITHIN_MS = 20_000;
const GONE_WITHIN_MS = 20_000;
const DEADLINE = 60_000;

let scene: RoutedScene;
let file: string;
let containers: Life[];
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  scene = cleanup.use(await startRoutedScene({ services: routedService }));
  file = readFileSync(scene.project.file, "utf8");
  containers = await lives(scene.project);
});

afterAll(() => cleanup.disposeAsync());

/** The operator edits the compose file and lets it be settled. */
async function up(text: string): Promise<void> {
  scene.project.write(text);
  const { exitCode, stdout, stderr } = await command(scene, "up");
  expect([exitCode, stderr, stdout]).toEqual([0, "", expect.any(String)]);
}

/** None failed, and the container that answered is the very same one, never started again. */
async function expectUnnoticed(work: () => Promise<void>): Promise<void> {
  await using load = await scene.load({ perSecond: PER_SECOND });
  await Bun.sleep(SOME_TIME);
  await work();
  await Bun.sleep(SOME_TIME);
  expect(failuresOf(await load.stop())).toEqual([]);
  expect(await lives(scene.project)).toEqual(containers);
}

test(
  "a route that is added is followed, one that is removed is not: no request fails, and the proxy stays",
  async () => {
    const proxies = await proxiesOf(scene);
    await expectUnnoticed(async () => {
      expect((await visit(scene, { host: NEW })).status).toBe(404);
      await up(file.replace(`{ host: ${HOST} }`, `[{ host: ${HOST} }, { host: ${NEW} }]`));
      expect(await visit(scene, { host: NEW })).toMatchObject({ status: 200, text: "v1" });
      await up(file);
      expect((await visit(scene, { host: NEW })).status).toBe(404);
    });
    expect(await proxiesOf(scene)).toEqual(proxies);
  },
  DEADLINE,
);

test(
  "what may be sent again is changed alone: the proxy takes it up, and no request fails",
  async () => {
    const proxies = await proxiesOf(scene);
    const config = () => readFileSync(join(scene.daemon.stateDir, "edge/haproxy.cfg"), "utf8");
    await expectUnnoticed(async () => {
      const before = config();
      await up(file.replace("      drain: 5s", "      drain: 5s\n      resend: all"));
      expect([before.includes("wait-for-body"), config().includes("wait-for-body")]).toEqual([false, true]);
      await up(file);
      expect(config()).toBe(before);
    });
    expect(await proxiesOf(scene)).toEqual(proxies);
  },
  DEADLINE,
);

test(
  "the daemon is stopped, away, and started: nothing changes, and no request fails",
  async () => {
    const proxies = await proxiesOf(scene);
    await expectUnnoticed(async () => {
      await scene.daemon.stop();
      expect(await visit(scene)).toMatchObject({ status: 200, text: "v1" });
      scene = { ...scene, daemon: cleanup.use(await scene.daemon.startAgain()) };
      await waitUntilUp(scene.daemon);
    });
    expect(await proxiesOf(scene)).toEqual(proxies);
  },
  DEADLINE,
);

test(
  "another image of the proxy: no request fails, and WebSockets stay with the old one, which goes with the last of them",
  async () => {
    const [old] = await proxiesOf(scene);
    const [, repository = ""] = /"[^/]+\/(\S+\/haproxy):3\.0"/.exec(file) ?? [];
    await publishHaproxy(stage().registry, { repository, tag: "3.0-new", variant: "2" });
    const url = `ws://127.0.0.1:${scene.port}/socket`;
    await using sockets = await openSockets({ url, host: HOST, count: 10 });
    await expectUnnoticed(async () => {
      file = file.replace("haproxy:3.0", "haproxy:3.0-new");
      await up(file);
    });
    const both = await proxiesOf(scene);
    expect([both.length, both.includes(old ?? "")]).toEqual([2, true]);
    expect(await sockets.echo()).toEqual({ versions: { v1: 10 }, lost: 0 });
    expect(sockets.cuts()).toEqual([]);
    await sockets.close();
    await waitFor("the old proxy to go", GONE_WITHIN_MS, async () => {
      const left = await proxiesOf(scene);
      return left.length === 1 && left[0] !== old;
    });
  },
  DEADLINE,
);

test(
  "a proxy that a person restarts goes on as it was, without the daemon",
  async () => {
    const [proxy] = await proxiesOf(scene);
    await scene.daemon.stop();
    await stage().docker.docker("restart", proxy ?? "");
    await waitFor("the proxy to answer", NOTICED_WITHIN_MS, () => isServed());
    expect(await proxiesOf(scene)).toEqual([proxy ?? ""]);
    scene = { ...scene, daemon: cleanup.use(await scene.daemon.startAgain()) };
    await waitUntilUp(scene.daemon);
    await expectUnnoticed(async () => undefined);
  },
  DEADLINE,
);

test(
  "a proxy that a person removes is brought back by the daemon at its next look",
  async () => {
    const [proxy] = await proxiesOf(scene);
    await stage().docker.docker("rm", "--force", proxy ?? "");
    expect(await isServed()).toBe(false);
    await waitFor("a proxy to answer", NOTICED_WITHIN_MS, () => isServed());
    await expectUnnoticed(async () => undefined);
    expect(await proxiesOf(scene)).toHaveLength(1);
  },
  DEADLINE,
);

function isServed(): Promise<boolean> {
  return visit(scene).then(
    ({ status, text }) => status === 200 && text === "v1",
    () => false,
  );
}
