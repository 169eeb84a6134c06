import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A program that starts ours in a way that no spawn option offers; it becomes ours, so the pid is the same. */
export function launcher(script: string): AsyncDisposable & { path: string; dir: string } {
  const dir = mkdtempSync(join(tmpdir(), "dstest-launcher-"));
  const path = join(dir, "launcher");
  writeFileSync(path, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  return { path, dir, [Symbol.asyncDispose]: async () => rmSync(dir, { recursive: true }) };
}
