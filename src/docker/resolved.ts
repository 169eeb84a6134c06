import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import { parseImage } from "../core/image.ts";
import type { Dependency, ImageTexts, Project, Service } from "../core/ports.ts";
import { canonicalJson, jsonForYaml, parseExactJson } from "./exact-json.ts";

/** What `docker compose config` prints, as far as we read it; the rest is kept as it came. */
export type Resolved = z.infer<typeof Resolved>;

const DependsOn = z.record(
  z.string(),
  z.looseObject({
    condition: z
      .enum(["service_started", "service_healthy", "service_completed_successfully"])
      .default("service_started"),
    required: z.boolean().default(true),
  }),
);

/** Compose writes `Path`, `Rate` and `Weight` into its JSON, and does not read them. */
const BlkioConfig = z
  .record(z.string(), z.unknown())
  .transform((fields) =>
    Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [
        key,
        Array.isArray(value) ? value.map(withLowerCaseKeys) : value,
      ]),
    ),
  );

const ResolvedService = z.looseObject({
  image: z.string().optional(),
  container_name: z.string().optional(),
  network_mode: z.string().optional(),
  ipc: z.string().optional(),
  pid: z.string().optional(),
  volumes_from: z.array(z.string()).optional(),
  depends_on: DependsOn.optional(),
  blkio_config: BlkioConfig.nullish(),
  scale: z.number().int().optional(),
  deploy: z.looseObject({ replicas: z.number().int().optional() }).nullish(),
  volumes: z
    .array(
      z.looseObject({
        type: z.string(),
        source: z.string().optional(),
        bind: z.looseObject({ create_host_path: z.boolean().optional() }).nullish(),
      }),
    )
    .optional(),
});

const FileBased = z.record(z.string(), z.looseObject({ file: z.string().optional() })).default({});

const Resolved = z.looseObject({
  name: z.string(),
  services: z.record(z.string(), ResolvedService).default({}),
  secrets: FileBased,
  configs: FileBased,
});

const WithSettings = z.object({
  services: z.record(z.string(), z.object({ "x-deployer": z.unknown().optional() }).nullable()).default({}),
});

const Settings = z.strictObject({
  images: z
    .array(z.string().refine((text) => parseImage(text) !== undefined, "is not an image reference"))
    .default([]),
});

/** Keys that do not say how a container is made: another value must not replace what runs. */
const NOT_CONFIGURATION = new Set([
  "image",
  "build",
  "depends_on",
  "scale",
  "profiles",
  "pull_policy",
  "develop",
]);

/**
 * The project of Compose's JSON with each service's `x-deployer`, which is in its YAML only.
 *
 * Errors: `compose_file` for texts that are not a project as we know it.
 */
export function parseResolved(json: string, yaml: string): Resolved {
  const resolved = read(Resolved, () => parseExactJson(json));
  const written = read(WithSettings, () => Bun.YAML.parse(yaml)).services;
  const services = Object.entries(resolved.services).map(([name, fields]) => {
    if (!Object.hasOwn(written, name)) throw unreadable(`: service "${name}" is in one format only`);
    const settings = written[name]?.["x-deployer"];
    return [name, settings === undefined ? fields : { ...fields, "x-deployer": settings }] as const;
  });
  return { ...resolved, services: Object.fromEntries(services) };
}

/** Errors: `compose_file` for an `x-deployer` that cannot be read, all problems in one message. */
export function toProject(resolved: Resolved, startedByDefault: ReadonlySet<string>): Project {
  const problems: string[] = [];
  const services = Object.entries(resolved.services).map(([name, fields]): [string, Service] => {
    const settings = Settings.safeParse(fields["x-deployer"] ?? {});
    for (const issue of settings.error?.issues ?? []) {
      problems.push(`service "${name}": ${["x-deployer", ...issue.path].join(".")}: ${issue.message}`);
    }
    return [
      name,
      {
        name,
        image: fields.image,
        builtImage: `${resolved.name}-${name}`,
        configHash: configHash(fields),
        replicas: fields.scale ?? fields.deploy?.replicas ?? 1,
        containerName: fields.container_name,
        images: settings.data?.images ?? [],
        dependsOn: dependencies(fields),
        sharesWith: sharedWith(fields),
        startedByDefault: startedByDefault.has(name),
      },
    ];
  });
  if (problems.length > 0) throw new DeployerError("compose_file", problems.join("\n"));
  return { name: resolved.name, services: new Map(services) };
}

/** The same project with other image texts, as JSON: which is YAML too, and needs no quoting rules of our own. */
export function withImages(resolved: Resolved, images: ImageTexts): string {
  const services = Object.entries(resolved.services).map(([name, fields]) => {
    const image = images.get(name) ?? fields.image;
    return [name, image === undefined ? fields : { ...fields, image }];
  });
  return `${jsonForYaml({ ...resolved, services: Object.fromEntries(services) })}\n`;
}

/** Paths of the host that must be there for containers to be created; folders that Docker would make are not among them. */
export function hostFiles({ services, secrets, configs }: Resolved): string[] {
  const mounts = Object.values(services).flatMap(({ volumes = [] }) =>
    volumes
      .filter(({ type, bind }) => type === "bind" && bind?.create_host_path !== true)
      .map(({ source }) => source),
  );
  const files = [...Object.values(secrets), ...Object.values(configs)].map(({ file }) => file);
  return [...new Set([...mounts, ...files])].filter((path) => path !== undefined);
}

function dependencies(fields: z.infer<typeof ResolvedService>): Dependency[] {
  return Object.entries(fields.depends_on ?? {}).map(([service, { condition, required }]) => ({
    service,
    condition,
    required,
  }));
}

/** `service:web` of the namespaces, `web` or `web:ro` of `volumes_from`; those of containers outside the file are not ours. */
function sharedWith({
  network_mode,
  ipc,
  pid,
  volumes_from = [],
}: z.infer<typeof ResolvedService>): string[] {
  const namespaces = [network_mode, ipc, pid]
    .filter((mode) => mode?.startsWith("service:") === true)
    .map((mode) => mode?.slice("service:".length));
  const volumes = volumes_from
    .filter((from) => !from.startsWith("container:"))
    .map((from) => from.split(":")[0]);
  return [...new Set([...namespaces, ...volumes])].filter((name) => name !== undefined);
}

/** `deploy` without the number of containers, and without the `{}` Compose's JSON has for what is not said. */
function configHash(fields: z.infer<typeof ResolvedService>): string {
  const deploy = Object.entries(fields.deploy ?? {}).filter(
    ([key, value]) => key !== "replicas" && canonicalJson(value) !== "{}",
  );
  const kept = Object.entries({
    ...fields,
    deploy: deploy.length > 0 ? Object.fromEntries(deploy) : undefined,
  }).filter(([key]) => !NOT_CONFIGURATION.has(key) && !key.startsWith("x-"));
  return new Bun.CryptoHasher("sha256").update(canonicalJson(Object.fromEntries(kept))).digest("hex");
}

function withLowerCaseKeys(entry: unknown): unknown {
  if (typeof entry !== "object" || entry === null) return entry;
  return Object.fromEntries(Object.entries(entry).map(([key, value]) => [key.toLowerCase(), value]));
}

/** A syntax error may quote the text, which has secrets: it is no cause. */
function read<T>(schema: z.ZodType<T>, parse: () => unknown): T {
  let value: unknown;
  try {
    value = parse();
  } catch {
    throw unreadable("");
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw unreadable("", { cause: parsed.error });
  return parsed.data;
}

function unreadable(detail: string, options?: ErrorOptions): DeployerError {
  const message = `docker compose config printed what this program cannot read${detail}`;
  return new DeployerError("compose_file", message, options);
}
