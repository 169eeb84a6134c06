import { afterAll, beforeAll, test } from "bun:test";

import {
  expectFault,
  type FaultKind,
  type FaultScene,
  faultsOf,
  startFaultScene,
} from "../support/faults.ts";

const OTHER_ARCHITECTURE = process.arch === "arm64" ? "amd64" : "arm64";

/** What goes wrong while nothing that serves has been touched: nobody may notice anything, whatever the strategy. */
const KINDS: readonly FaultKind[] = [
  {
    name: "image-missing",
    tag: "absent",
    reason: /^registry \S+ does not have \S+:absent: /,
  },
  {
    name: "wrong-architecture",
    tag: "foreign",
    reason: new RegExp(`linux/${OTHER_ARCHITECTURE}`),
  },
  {
    name: "before-fails",
    tag: "v2",
    settings: `before: [["/bin/sh", "-c", "echo no migration today >&2; exit 3"]]`,
    reason: /exited with code 3/,
    diagnosis: { exit_code: 3, output: ["no migration today"] },
  },
  {
    name: "before-second-fails",
    tag: "v2",
    settings: `before: [["/bin/true"], ["/bin/no-such-program"]]`,
    reason: /no-such-program/,
  },
  {
    name: "volume-missing",
    tag: "v2",
    edit: [
      "volumes: [{ type: bind, source: /nowhere/at/all, target: /mnt, read_only: true, bind: { create_host_path: false } }]",
    ],
    reason: /\/nowhere\/at\/all/,
  },
];

const FAULTS = [...faultsOf(KINDS, "recreate", "failed"), ...faultsOf(KINDS, "rolling", "failed")];

const cleanup = new AsyncDisposableStack();
let scene: FaultScene;

beforeAll(async () => {
  scene = cleanup.use(
    await startFaultScene(FAULTS, async (aws) => {
      await aws.publish("web", "v2");
      await aws.publish("web", "foreign", { version: "foreign", architecture: OTHER_ARCHITECTURE });
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

for (const fault of FAULTS) {
  test.concurrent(`${fault.name}: it failed, and nobody has noticed anything`, () =>
    expectFault(scene, fault).then(() => undefined),
  );
}
