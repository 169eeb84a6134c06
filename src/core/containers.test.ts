import { expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { describeEnd, isFinished, isKeptUp, isRunning, shortId } from "./containers.ts";
import type { Container } from "./engine.ts";

function container(fields: Partial<Container> = {}): Container {
  return fakeWorld([service("web")]).add("web", fields);
}

test.each<[Partial<Container>, boolean, boolean]>([
  [{}, true, true],
  [{ state: "restarting" }, false, true],
  [{ state: "paused" }, false, false],
  [{ state: "created" }, false, false],
  [{ state: "exited" }, false, false],
  [{ state: "removing" }, false, false],
  [{ state: "dead" }, false, false],
])("whether %j runs: %p, whether Docker keeps it up: %p", (fields, runs, keptUp) => {
  expect(isRunning(container(fields))).toBe(runs);
  expect(isKeptUp(container(fields))).toBe(keptUp);
});

test.each<[Partial<Container>, boolean]>([
  [{ state: "exited" }, true],
  [{ state: "exited", restartPolicy: "on-failure" }, true],
  [{ state: "exited", exitCode: 1 }, false],
  [{ state: "exited", restartPolicy: "always" }, false],
  [{ state: "exited", restartPolicy: "unless-stopped" }, false],
  [{ state: "exited", exposesPorts: true }, false],
  [{ state: "exited", health: "healthy" }, false],
  [{ state: "dead" }, false],
  [{ state: "created" }, false],
  [{}, false],
])("whether %j is a job at its end: %p", (fields, expected) => {
  expect(isFinished(container(fields))).toBe(expected);
});

test.each<[Partial<Container>, string]>([
  [{ state: "exited", exitCode: 137, oomKilled: true }, "was killed for lack of memory"],
  [{ state: "exited", exitCode: 3 }, "exited with code 3"],
  [{ state: "dead", exitCode: 255 }, "exited with code 255"],
  [{ state: "restarting" }, "is restarting"],
  [{ state: "paused" }, "is paused"],
])("%j is described as: %s", (fields, expected) => {
  expect(describeEnd(container(fields))).toBe(expected);
});

test("an id is shown as docker ps shows it", () => {
  expect(shortId({ id: "0123456789abcdef" })).toBe("0123456789ab");
});
