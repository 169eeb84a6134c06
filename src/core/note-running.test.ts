import { expect, test } from "bun:test";

import { fakeLog } from "../../test/fakes/log.ts";
import { fakeStore } from "../../test/fakes/store.ts";
import { noteRunning } from "./note-running.ts";

test("what was started is among what runs at once, what was stopped is not, and the boot of the last look is kept", () => {
  const store = fakeStore();
  store.saveLook({ start: "boot-1", running: ["db", "old"] });
  noteRunning([{ id: "new" }], [{ id: "old" }], { store, log: fakeLog() });
  expect(store.lastLook()).toEqual({ start: "boot-1", running: ["db", "new"] });
  noteRunning([{ id: "new" }], [{ id: "never ran" }], { store, log: fakeLog() });
  expect(store.lastLook()).toEqual({ start: "boot-1", running: ["db", "new"] });
});

test("before the first look nothing is noted: of which boot it would be is not known", () => {
  const store = fakeStore();
  noteRunning([{ id: "new" }], [], { store, log: fakeLog() });
  expect(store.lastLook()).toBeUndefined();
});
