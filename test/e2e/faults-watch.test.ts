import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  expectFault,
  type FaultKind,
  type FaultScene,
  faultsOf,
  startFaultScene,
} from "../support/faults.ts";

/** Longer than the gate takes, and done before the watch is over. */
const FAILS_AFTER_SECONDS = 8;

/** A candidate that passes its gate and serves, then fails while it is watched. */
const KINDS: readonly FaultKind[] = [
  {
    name: "crashes",
    tag: "crashes",
    settings: "health: /cgi-bin/health",
    reason: /exited with code 1$/,
    diagnosis: { exit_code: 1, output: expect.arrayContaining(["version crashes crashes"]) },
  },
  {
    name: "restarts",
    tag: "crashes",
    settings: "health: /cgi-bin/health",
    lines: ["restart: always"],
    reason: /restarted|is restarting/,
    diagnosis: { restarts: 1 },
  },
  {
    name: "sickens-by-http",
    tag: "sickens",
    settings: "health: /cgi-bin/health",
    reason: /failed 3 times in a row.*HTTP 503$/,
    diagnosis: { exit_code: null, health: "HTTP 503" },
  },
  {
    name: "sickens-by-healthcheck",
    tag: "checked-sickens",
    reason: /unhealthy while it was watched|failed 3 times in a row/,
    diagnosis: { exit_code: null, health: expect.stringContaining("503") },
  },
  {
    name: "out-of-memory",
    tag: "takes-memory",
    settings: "health: /cgi-bin/health",
    lines: ["mem_limit: 32m"],
    reason: /killed for lack of memory/,
    diagnosis: { exit_code: 137, oom_killed: true },
  },
];

const FAULTS = [...faultsOf(KINDS, "recreate", "rolled_back"), ...faultsOf(KINDS, "rolling", "rolled_back")];

const cleanup = new AsyncDisposableStack();
let scene: FaultScene;

beforeAll(async () => {
  scene = cleanup.use(
    await startFaultScene(FAULTS, async (aws) => {
      const sickens = { sickAfter: FAILS_AFTER_SECONDS };
      await aws.publish("web", "crashes", { crashAfter: FAILS_AFTER_SECONDS });
      await aws.publish("web", "sickens", sickens);
      await aws.publish("web", "checked-sickens", {
        ...sickens,
        healthcheck: { passes: "when healthy", intervalMs: 1_000 },
      });
      await aws.publish("web", "takes-memory", { allocateAfter: FAILS_AFTER_SECONDS });
    }),
  );
});

afterAll(() => cleanup.disposeAsync());

for (const fault of FAULTS) {
  test.concurrent(`${fault.name} while it is watched: the old container serves, and nobody else`, () =>
    expectFault(scene, fault).then(() => undefined),
  );
}
