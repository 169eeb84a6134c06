import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, expect, test } from "bun:test";

import { startAlone } from "../contract/refused-start.ts";
import { run } from "../support/run.ts";
import { waitFor } from "../support/wait.ts";

const LOG_DEADLINE = 10_000;
const BUILD_DEADLINE = 60_000;
const ROOT = join(import.meta.dir, "../..");

/**
 * No caller can make the program throw where nobody catches, as far as is known; so the daemon is built with faults planted
 * beside it, as the release is built.
 */
const FAULTS: [what: string, code: string, message: string][] = [
  ["a forgotten promise", `Promise.reject(new Error("planted"))`, "unhandled rejection"],
  ["a throw in a timer", `setTimeout(() => { throw new Error("planted") }, 1)`, "uncaught exception"],
  ["a throw of what is no error", `setTimeout(() => { throw undefined }, 1)`, "uncaught exception"],
  ["a rejection without a reason", "Promise.reject()", "unhandled rejection"],
  ["a throw in a microtask", `queueMicrotask(() => { throw new Error("planted") })`, "uncaught exception"],
];

const dir = mkdtempSync(join(tmpdir(), "dstest-fault-"));
const program = join(dir, "deployer-service");
const wanted = join(dir, "fault");

beforeAll(async () => {
  const entry = join(dir, "main.ts");
  writeFileSync(
    entry,
    `import { readFileSync } from "node:fs";
     import { environment } from "${ROOT}/src/system/environment.ts";
     import { serve } from "${ROOT}/src/cli/serve.ts";
     const faults = {${FAULTS.map(([what, code]) => `${JSON.stringify(what)}: () => { ${code} }`).join(", ")}};
     process.on("SIGUSR2", () => faults[readFileSync("${wanted}", "utf8")]());
     void serve(environment, "v1.2.3").then((code) => process.exit(code));`,
  );
  await run([process.execPath, `${ROOT}/build.ts`, "--entry", entry, "--outfile", program]);
}, BUILD_DEADLINE);

afterAll(() => rmSync(dir, { recursive: true }));

test.each(FAULTS)("%s is logged, and the daemon goes on", async (what, _, message) => {
  writeFileSync(wanted, what);
  await using daemon = await startAlone({ binary: program });
  for (let times = 1; times <= 3; times++) {
    process.kill(daemon.pid, "SIGUSR2");
    const faults = () => daemon.log().filter((line) => line.level === "error" && line.message === message);
    await waitFor("the fault to be logged", LOG_DEADLINE, () => faults().length === times);
    expect((await daemon.request("GET", "/health")).status).toBe(200);
  }
  expect(await daemon.stop()).toBe(0);
  expect(daemon.noise()).toBe("");
});
