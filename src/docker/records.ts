import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { basename, join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { writeFileAtomically } from "../system/files.ts";

/** A configuration recorded this recently may be that of a deployment that has not written it down yet. */
const FORGET_AFTER_MS = 3_600_000;

/** Recorded configurations: files for the daemon's user only, named after their content. */
export type Records = {
  /** The folder they are in. */
  dir: string;
  /** @returns its name */
  save(content: string): string;
  /** Path of its file. */
  file(name: string): string;
  /** Errors: `compose_file`, when it is gone. */
  read(name: string): string;
  /** Removes those that nothing needs any more; recent ones stay. */
  forget(needed: ReadonlySet<string>): void;
};

export function createRecords(dir: string): Records {
  const file = (name: string): string => join(dir, `${name}.json`);
  return {
    dir,
    file,
    save(content) {
      const name = new Bun.CryptoHasher("sha256").update(content).digest("hex").slice(0, 32);
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      if (existsSync(file(name))) utimesSync(file(name), new Date(), new Date());
      else writeFileAtomically(file(name), content);
      return name;
    },
    read(name) {
      try {
        return readFileSync(file(name), "utf8");
      } catch (cause) {
        throw new DeployerError("compose_file", `the recorded configuration ${file(name)} cannot be read`, {
          cause,
        });
      }
    },
    forget(needed) {
      if (!existsSync(dir)) return;
      for (const entry of readdirSync(dir)) {
        const isRecent = Date.now() - statSync(join(dir, entry)).mtimeMs < FORGET_AFTER_MS;
        if (!isRecent && !needed.has(basename(entry, ".json"))) rmSync(join(dir, entry), { force: true });
      }
    },
  };
}
