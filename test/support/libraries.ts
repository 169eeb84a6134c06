import { realpathSync } from "node:fs";
import { basename, join } from "node:path";

import { run } from "./run.ts";
import type { TarEntry } from "./tar.ts";

/** Where a loader looks by itself. */
const LIBRARY_FOLDER = "lib/";
const HEAD_BYTES = 65_536;

/**
 * The dynamic loader and every library that a program needs, and `also` by name, for an image of nothing else: all in
 * `/lib`. They are this machine's, or those below `root`, in folders of Debian's. Throws where one is missing.
 */
export async function librariesOf(
  program: string,
  root = "/",
  also: readonly string[] = [],
): Promise<TarEntry[]> {
  const interpreter = await interpreterOf(program);
  const folder = libraryFolder(root);
  const loader = root === "/" ? interpreter : join(folder, basename(interpreter));
  const { stdout } = await run([loader, "--library-path", folder, "--list", program]);
  if (stdout.includes("not found")) throw new Error(`${program} lacks libraries:\n${stdout}`);
  const all = new Map([
    ...[...stdout.matchAll(/^\t(\S+) => (\S+)/gm)].map(([, name = "", path = ""]): [string, string] => [
      `${LIBRARY_FOLDER}${basename(name)}`,
      path,
    ]),
    ...also.map((name): [string, string] => [`${LIBRARY_FOLDER}${name}`, join(folder, name)]),
    [interpreter.slice(1), loader],
  ]);
  const entries = [...all].map(async ([path, source]) => ({
    path,
    mode: 0o755,
    content: await Bun.file(realpathSync(source)).bytes(),
  }));
  return [...foldersOf([...all.keys()]), ...(await Promise.all(entries))];
}

/** `/lib64/ld-linux-x86-64.so.2`: a program holds its name near its beginning. */
async function interpreterOf(program: string): Promise<string> {
  const head = Buffer.from(await Bun.file(program).slice(0, HEAD_BYTES).arrayBuffer()).toString("latin1");
  const path = /\/lib(?:64)?\/ld-linux[\w.-]*/.exec(head)?.[0];
  if (path === undefined) throw new Error(`${program} is not a program with a dynamic loader`);
  return path;
}

function libraryFolder(root: string): string {
  return join(root, `usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`);
}

function foldersOf(paths: readonly string[]): TarEntry[] {
  const folders = new Set(paths.map((path) => path.slice(0, path.lastIndexOf("/") + 1)));
  return [...folders].map((path) => ({ path, mode: 0o755, folder: true }));
}
