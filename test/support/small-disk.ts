import { mkdirSync } from "node:fs";
import { truncate } from "node:fs/promises";

import { run } from "./run.ts";

/** A file system of its own, of this size, at an empty folder; its bytes are in `<folder>.disk`. */
export async function mountSmallDisk(folder: string, bytes: number): Promise<void> {
  const file = `${folder}.disk`;
  await Bun.write(file, "");
  await truncate(file, bytes);
  await run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", file]);
  mkdirSync(folder, { recursive: true });
  await run(["mount", "-o", "loop", file, folder]);
}
