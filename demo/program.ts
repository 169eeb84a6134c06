import { statSync } from "node:fs";
import { join } from "node:path";

import { run } from "../test/support/run.ts";

const ROOT = join(import.meta.dir, "..");
const PROGRAM = join(ROOT, "dist", "deployer-service");
const SOURCES = ["src/**/*", "build.ts", "package-lock.json"];

/** Path of the built program; builds it if it is missing or older than what it is built from. */
export async function builtProgram(): Promise<string> {
  if (modified(PROGRAM) < newestSource()) {
    const env = { ...process.env } as Record<string, string>;
    await run([process.execPath, "build.ts", "--outfile", PROGRAM], { cwd: ROOT, env });
  }
  return PROGRAM;
}

function newestSource(): number {
  const files = SOURCES.flatMap((glob) =>
    Array.from(new Bun.Glob(glob).scanSync({ cwd: ROOT, absolute: true })),
  );
  return Math.max(...files.map(modified));
}

/** Milliseconds since the epoch; 0 for a file that is not there. */
function modified(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
