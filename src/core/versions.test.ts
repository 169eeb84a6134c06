import { expect, test } from "bun:test";

import type { Pin, Version } from "./store.ts";
import { keptVersions, numberOf, previousVersion, rollbackSet, versionOf } from "./versions.ts";

/** A service that is deployed (`v1`), gone back one step (`back`), or to a deployment (`to d2`), as the worker does it. */
function history(...steps: string[]) {
  const versions: Version[] = [];
  let pin: Pin | undefined;
  for (const [index, step] of steps.entries()) {
    const target = back(step);
    const [imageId = "", configHash = "config"] = step.split(" with ");
    const what = target ?? { imageId, configHash };
    const decided = {
      service: "web",
      deployment: `d${index + 1}`,
      imageText: `web@sha256:${what.imageId}`,
      fileImage: "web:v1",
      digest: `sha256:${what.imageId}`,
      recorded: "recorded",
    };
    pin = decided;
    versions.unshift({
      ...decided,
      imageId: what.imageId,
      configHash: what.configHash,
      number: numberOf({ version: target }, versions),
      committedAt: index,
    });
  }
  function back(step: string): Version | undefined {
    if (step === "back") return previousVersion("web", versions, pin);
    return step.startsWith("to ") ? versionOf("web", versions, step.slice(3)) : undefined;
  }
  return { versions, pin };
}

/** What runs after these steps. */
function runs(...steps: string[]): string | undefined {
  return history(...steps).versions[0]?.imageId;
}

function images(versions: readonly Version[]): string[] {
  return versions.map(({ imageId }) => imageId);
}

test("the rollback set is the five last committed distinct pairs, newest first, what runs included", () => {
  const { versions } = history("v1", "v2", "v3", "v3", "v4 with a", "v4 with b", "v2", "v5");
  expect(rollbackSet(versions).map(({ imageId, configHash }) => `${imageId} ${configHash}`)).toEqual([
    "v5 config",
    "v2 config",
    "v4 b",
    "v4 a",
    "v3 config",
  ]);
  expect(rollbackSet(versions).map(({ deployment }) => deployment)).toEqual(["d8", "d7", "d6", "d5", "d4"]);
  expect(rollbackSet([])).toEqual([]);
});

test("what fell out of the set is not worth remembering, earlier decisions for what is in it are", () => {
  const { versions } = history("v0", "v1", "v2", "v3", "v4", "v1", "v5");
  expect(keptVersions(versions).map(({ deployment }) => deployment)).toEqual([
    "d7",
    "d6",
    "d5",
    "d4",
    "d3",
    "d2",
  ]);
});

test("an image that is restarted by force for ever is remembered a bounded number of times, the others of the set stay", () => {
  const { versions } = history("v1", "v2", ...Array.from({ length: 100 }, () => "v3"));
  expect(keptVersions(versions)).toHaveLength(23);
  expect(images(rollbackSet(keptVersions(versions)))).toEqual(["v3", "v2", "v1"]);
});

test("a rollback goes back a step, two in a row go back two, and never to the broken one", () => {
  expect(runs("v1", "v2", "bad", "back")).toBe("v2");
  expect(runs("v1", "v2", "bad", "back", "back")).toBe("v1");
});

test("after a rollback and a new deployment the way back leads to what ran before that, not to what was rolled back", () => {
  expect(runs("v1", "v2", "bad", "back", "worse", "back")).toBe("v2");
  expect(runs("v1", "v2", "bad", "back", "worse", "back", "back")).toBe("v1");
  expect(runs("v1", "v2", "v3", "back", "back", "v4", "v5", "back")).toBe("v4");
  expect(runs("v1", "v2", "v3", "back", "back", "v4", "v5", "back", "back")).toBe("v1");
});

test("a restart of the same by force is no step, a change of the configuration is one", () => {
  expect(runs("v1", "v2", "v2", "v2", "back")).toBe("v1");
  const { versions, pin } = history("v1 with a", "v1 with b");
  expect(previousVersion("web", versions, pin).configHash).toBe("a");
});

test("an image that was deployed a second time is a decision of its own on the way back", () => {
  expect(runs("v1", "v2", "v1", "back")).toBe("v2");
  expect(runs("v1", "v2", "v1", "back", "back")).toBe("v1");
});

test("a rollback to a named deployment counts from there", () => {
  expect(runs("v1", "v2", "v3", "v4", "to d2")).toBe("v2");
  expect(runs("v1", "v2", "v3", "v4", "to d2", "back")).toBe("v1");
  expect(runs("v1", "v2", "v3", "back", "back", "to d3", "back")).toBe("v2");
});

test.each([
  [[], "no deployment of it is recorded; deploy the image you want"],
  [["v1"], "nothing earlier than d1, which runs, is kept; deploy the image you want"],
  [["v1", "v1"], "nothing earlier than d2, which runs, is kept; deploy the image you want"],
  [
    ["v1", "v2", "back"],
    'nothing earlier than d3, which runs, is kept; name one with "to": d2; or deploy the image you want',
  ],
])("without an earlier version, after %j, the reason and the choice are told", (steps, why) => {
  const { versions, pin } = history(...steps);
  expect(() => previousVersion("web", versions, pin)).toThrow(
    expect.objectContaining({
      code: "conflict",
      message: `service "web" has no earlier version to go back to: ${why}`,
    }),
  );
});

test("when the operator has changed the image since, nobody guesses what runs", () => {
  const { versions } = history("v1", "v2");
  expect(() => previousVersion("web", versions, undefined)).toThrow(
    'service "web" has no earlier version to go back to: since its last deployment the image in the compose file was changed; name one with "to": d2, d1; or deploy the image you want',
  );
});

test("an image without an id, of a time before ids were recorded, is told by its digest", () => {
  const { versions, pin } = history("v1", "v1", "v2");
  const [v2, again, first] = versions;
  const old = [v2!, again!, { ...first!, imageId: "" }];
  expect(images(rollbackSet(old))).toEqual(["v2", "v1"]);
  expect(previousVersion("web", old, pin).deployment).toBe("d2");
});

test("a pin from before versions were recorded has nothing before it", () => {
  const { versions, pin } = history("v1");
  expect(() => previousVersion("web", versions, { ...(pin as Pin), deployment: "d0" })).toThrow(
    "d0, which runs, is of a time when versions were not recorded",
  );
});

test("a deployment whose version has left the set, or that left none, names those there are", () => {
  const { versions } = history("v1", "v2", "v3", "v4", "v5", "v6");
  expect(versionOf("web", versions, "d2").imageId).toBe("v2");
  for (const to of ["d1", 'no "such'])
    expect(() => versionOf("web", versions, to)).toThrow(
      expect.objectContaining({
        code: "conflict",
        message: `deployment ${JSON.stringify(to)} left no version of service "web" that is kept; name one with "to": d6, d5, d4, d3, d2; or deploy the image you want`,
      }),
    );
  expect(() => versionOf("web", [], "d1")).toThrow("deploy the image you want");
});
