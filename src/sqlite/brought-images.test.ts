import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeStore } from "../../test/fakes/store.ts";
import type { Store } from "../core/store.ts";
import { openStore } from "./store.ts";

const WEB = { repository: "r.example/web", digest: "sha256:a", deployment: "d1" };
const COPY = { repository: "r.example/copy", digest: "sha256:a", deployment: "d1" };
const DB = { repository: "r.example/db", digest: "sha256:b", deployment: "d1" };

// The tests of the core rely on the store without a disk.
const stores: [string, (folder: string) => Store & { close?: () => void }][] = [
  ["the store", (folder) => openStore(folder)],
  ["the store without a disk", () => fakeStore()],
];

test.each(stores)("%s knows the images that were brought, each once, until they are forgotten", (_, open) => {
  withFolder((folder) => {
    const store = open(folder);
    for (const image of [WEB, WEB, { ...WEB, deployment: "d2" }, DB]) store.noteImage(image);
    expect(sorted(store)).toEqual([DB, WEB]);
    store.forgetImage(WEB);
    expect(sorted(store)).toEqual([DB]);
    store.close?.();
  });
});

test.each(stores)("%s does not forget what another deployment has claimed since", (_, open) => {
  withFolder((folder) => {
    const store = open(folder);
    for (const image of [WEB, COPY, DB]) store.noteImage(image);
    store.claimImages("sha256:a", "d2");
    for (const image of [WEB, COPY, DB]) store.forgetImage(image);
    expect(sorted(store)).toEqual([
      { ...COPY, deployment: "d2" },
      { ...WEB, deployment: "d2" },
    ]);
    store.close?.();
  });
});

test("what was noted is known after a restart", () => {
  withFolder((folder) => {
    const store = openStore(folder);
    store.noteImage(WEB);
    store.close();
    const again = openStore(folder);
    expect(again.broughtImages()).toEqual([WEB]);
    again.close();
  });
});

function sorted(store: Store) {
  return store.broughtImages().toSorted((a, b) => (a.repository < b.repository ? -1 : 1));
}

function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "brought-images-test-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
