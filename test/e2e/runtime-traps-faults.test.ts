import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { startAlone } from "../contract/refused-start.ts";
import { waitFor } from "../support/wait.ts";

const LOG_DEADLINE = 10_000;
const SOURCE = join(import.meta.dir, "../../src");

/**
 * No caller can make the program throw where nobody catches, as far as is known; so the daemon is run from its source
 * with faults planted beside it.
 */
const FAULTS: [what: string, code: string, message: string][] = [
  ["a forgotten promise", `Promise.reject(new Error("planted"))`, "unhandled rejection"],
  ["a throw in a timer", `setTimeout(() => { throw new Error("planted") }, 1)`, "uncaught exception"],
  ["a throw of what is no error", `setTimeout(() => { throw undefined }, 1)`, "uncaught exception"],
  ["a rejection without a reason", "Promise.reject()", "unhandled rejection"],
  ["a throw in a microtask", `queueMicrotask(() => { throw new Error("planted") })`, "uncaught exception"],
];

test.each(FAULTS)("%s is logged, and the daemon goes on", async (_, code, message) => {
  const dir = mkdtempSync(join(tmpdir(), "dstest-fault-"));
  try {
    const program = join(dir, "program");
    const script = join(dir, "main.ts");
    writeFileSync(
      script,
      `import { environment } from "${SOURCE}/system/environment.ts";
       import { serve } from "${SOURCE}/cli/serve.ts";
       process.on("SIGUSR2", () => { ${code} });
       process.exitCode = await serve(environment, "v1.2.3");
       process.exit();`,
    );
    writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${script}"\n`, { mode: 0o755 });
    await using daemon = await startAlone({ binary: program });
    for (let times = 1; times <= 3; times++) {
      process.kill(daemon.pid, "SIGUSR2");
      const faults = () => daemon.log().filter((line) => line.level === "error" && line.message === message);
      await waitFor("the fault to be logged", LOG_DEADLINE, () => faults().length === times);
      expect((await daemon.request("GET", "/health")).status).toBe(200);
    }
    expect(await daemon.stop()).toBe(0);
    expect(daemon.noise()).toBe("");
  } finally {
    rmSync(dir, { recursive: true });
  }
});
