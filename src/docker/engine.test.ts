import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { fakeEngine, pieces } from "./fake-engine.ts";

const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

test("the wait for an engine to go ends when its event stream does, or when it is called off", async () => {
  await using fake = fakeEngine(() => pieces(["{}"], "cut"));
  const engine = createEngine({ host: fake.host, clock });
  await engine.untilGone(new AbortController().signal);

  await using quiet = fakeEngine(() => pieces([], "hang"));
  await createEngine({ host: quiet.host, clock }).untilGone(AbortSignal.timeout(50));
});

test("the wait for an engine that is not there fails at once", async () => {
  const host = { text: "unix:///nowhere.sock", origin: "http://docker", unix: "/nowhere.sock" };
  await expect(createEngine({ host, clock }).untilGone(new AbortController().signal)).rejects.toMatchObject({
    code: "docker",
  });
});
