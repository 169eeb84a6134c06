import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { z } from "zod";

/** Deeper nesting of `include` and `extends` than this is not followed, so not cached. */
const MAX_FILES = 100;

const Paths = z.union([z.string().transform((path) => [path]), z.array(z.string())]);
const EnvFiles = z.union([
  z.string().transform((path) => [path]),
  z.array(z.union([z.string(), z.looseObject({ path: z.string() }).transform(({ path }) => path)])),
]);
const Include = z.array(
  z.union([
    z
      .string()
      .transform((path) => ({ path: [path], env_file: [] as string[], project_directory: undefined })),
    z.looseObject({ path: Paths, env_file: EnvFiles.default([]), project_directory: z.string().optional() }),
  ]),
);
const File = z.looseObject({
  include: Include.default([]),
  services: z
    .record(
      z.string(),
      z
        .looseObject({
          extends: z
            .union([
              z.string().transform(() => ({ file: undefined })),
              z.looseObject({ file: z.string().optional() }),
            ])
            .optional(),
          env_file: EnvFiles.default([]),
          label_file: EnvFiles.default([]),
        })
        .nullable(),
    )
    .nullish(),
});

/**
 * A fingerprint of every file that `docker compose config` reads for this compose file: itself, `.env`, and what
 * `include`, `extends`, `env_file` and `label_file` name, whether it exists or not. Undefined when that cannot be told from
 * here (a path with a variable in it, a remote include, a file we cannot read as YAML): then nothing may be cached.
 */
export function fingerprint(composeFile: string): string | undefined {
  const seen = new Map<string, string | undefined>();
  const hash = new Bun.CryptoHasher("sha256");
  try {
    collect(composeFile, dirname(composeFile), seen);
  } catch {
    return undefined;
  }
  for (const [path, content] of seen) hash.update(JSON.stringify([path, content ?? null]));
  return hash.digest("hex");
}

function collect(path: string, projectDirectory: string, seen: Map<string, string | undefined>): void {
  if (seen.has(path)) return;
  read(resolve(projectDirectory, ".env"), seen);
  const content = read(path, seen);
  if (content === undefined) return;
  const file = File.parse(Bun.YAML.parse(content));

  for (const include of file.include) {
    const [first = ""] = include.path;
    const directory = include.project_directory ?? dirname(locate(first, projectDirectory));
    for (const nested of include.path)
      collect(locate(nested, projectDirectory), locate(directory, projectDirectory), seen);
    for (const env of include.env_file) read(locate(env, projectDirectory), seen);
  }
  for (const service of Object.values(file.services ?? {})) {
    if (service === null) continue;
    for (const env of [...service.env_file, ...service.label_file]) read(locate(env, projectDirectory), seen);
    const base = service.extends?.file;
    if (base !== undefined)
      collect(locate(base, projectDirectory), dirname(locate(base, projectDirectory)), seen);
  }
}

function read(path: string, seen: Map<string, string | undefined>): string | undefined {
  if (seen.size >= MAX_FILES) throw new Error("too many files");
  if (!seen.has(path)) seen.set(path, existsSync(path) ? readFileSync(path, "utf8") : undefined);
  return seen.get(path);
}

function locate(path: string, projectDirectory: string): string {
  if (path.includes("$") || path.includes("://") || path.startsWith("git@"))
    throw new Error("not a plain path");
  return isAbsolute(path) ? path : resolve(projectDirectory, path);
}
