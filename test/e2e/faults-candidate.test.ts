import { afterAll, beforeAll, expect, test } from "bun:test";

import {
  expectFault,
  type Fault,
  type FaultKind,
  type FaultScene,
  faultsOf,
  startFaultScene,
} from "../support/faults.ts";

const NEVER = "timeout: 4s";
/** Docker keeps no order between stdout and stderr. */
const EXITS_OUTPUT = expect.arrayContaining(["version exits starting", "version exits gives up"]);

/** A candidate that never gets as far as to serve, or never says that it is well. */
const KINDS: readonly FaultKind[] = [
  {
    name: "exits",
    tag: "exits",
    reason: /exited with code 3$/,
    diagnosis: { exit_code: 3, signal: null, output: EXITS_OUTPUT },
    mayServe: [],
  },
  {
    name: "dies-of-a-signal",
    tag: "segfaults",
    reason: /exited with code 139/,
    diagnosis: { exit_code: 139, signal: "SIGSEGV" },
    mayServe: [],
  },
  {
    name: "crash-loop",
    tag: "exits",
    lines: ["restart: always"],
    reason: /restarted|is restarting/,
    diagnosis: { exit_code: 3, oom_killed: false },
    mayServe: [],
  },
  {
    name: "never-healthy-by-http",
    tag: "never-healthy",
    settings: `${NEVER}, health: /cgi-bin/health`,
    reason: /did not pass within \d+ s.*GET \/cgi-bin\/health.*HTTP 503/,
    diagnosis: { exit_code: null, health: "HTTP 503" },
  },
  {
    name: "never-healthy-by-healthcheck",
    tag: "no-database",
    settings: NEVER,
    reason: /did not pass within \d+ s, asked was its HEALTHCHECK: exited with 1$/,
    diagnosis: { exit_code: null, health: expect.stringContaining("there is no database") },
  },
  {
    name: "out-of-memory",
    tag: "takes-memory",
    lines: ["mem_limit: 32m"],
    reason: /killed for lack of memory/,
    diagnosis: { exit_code: 137, signal: "SIGKILL", oom_killed: true },
  },
  {
    name: "volume-clash",
    tag: "v2",
    // It can be created; nothing is there to mount when it is started.
    edit: ["volumes: [{ type: volume, source: broken, target: /mnt, read_only: true }]"],
    reason: /nowhere/,
  },
];

const FAULTS: readonly Fault[] = [
  ...faultsOf(KINDS, "recreate", "rolled_back"),
  ...faultsOf(KINDS, "rolling", "failed"),
  {
    name: "port-clash",
    tag: "v2",
    strategy: "recreate",
    edit: [`ports: ["127.0.0.1:OWN:8080", "127.0.0.1:TAKEN:9090"]`],
    status: "rolled_back",
    reason: /port is already allocated|address already in use/,
    mayServe: [],
  },
];

const VOLUMES = `volumes:\n  broken: { driver_opts: { type: none, o: bind, device: /nowhere/at/all } }\n`;

const cleanup = new AsyncDisposableStack();
let scene: FaultScene;

beforeAll(async () => {
  scene = cleanup.use(
    await startFaultScene(
      FAULTS,
      async (aws) => {
        await aws.publish("web", "v2");
        await aws.publish("web", "exits", { exitCode: 3 });
        await aws.publish("web", "segfaults", { exitCode: 139 });
        await aws.publish("web", "never-healthy", { healthyAfter: "never" });
        await aws.publish("web", "no-database", { healthcheck: { passes: false } });
        await aws.publish("web", "takes-memory", { allocateAfter: 0 });
      },
      VOLUMES,
    ),
  );
});

afterAll(() => cleanup.disposeAsync());

for (const fault of FAULTS) {
  const end = fault.status === "failed" ? "nobody has noticed anything" : "the old container serves again";
  test.concurrent(`${fault.name}: ${fault.status}, and ${end}`, async () => {
    const { diagnosis } = await expectFault(scene, fault);
    if (fault.name.startsWith("crash-loop")) expect(diagnosis[0]?.restarts).toBeGreaterThan(0);
  });
}
