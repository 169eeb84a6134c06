import { heapStats } from "bun:jsc";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { runDaemon } from "../test/support/daemon-main.ts";
import { OBJECTS_FILE } from "./growth-count.ts";

/** The daemon, built so that SIGUSR2 has it collect its garbage and write down in STATE_DIR what is left. */

void runDaemon((stateDir) => {
  process.on("SIGUSR2", () => {
    Bun.gc(true);
    const { objectCount, heapSize, objectTypeCounts } = heapStats();
    const path = join(stateDir, OBJECTS_FILE);
    writeFileSync(`${path}.new`, JSON.stringify({ objectCount, heapSize, objectTypeCounts }));
    renameSync(`${path}.new`, path);
  });
  return (ports) => ports;
});
