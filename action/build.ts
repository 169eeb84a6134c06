import { join } from "node:path";

/** Where the bundle is, which the runner starts as it was committed. */
export const BUNDLE = join(import.meta.dir, "dist/index.mjs");

/** The action as one file for Node.js, the same bytes from the same sources wherever it is built. */
export async function bundle(): Promise<string> {
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, "main.ts")],
    root: join(import.meta.dir, ".."),
    target: "node",
    format: "esm",
    define: { "process.env.NODE_ENV": JSON.stringify("production") },
  });
  const [output] = built.outputs;
  if (output === undefined) throw new Error("nothing was built");
  return await output.text();
}

if (import.meta.main) await Bun.write(BUNDLE, await bundle());
