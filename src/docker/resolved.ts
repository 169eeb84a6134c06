import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import { parseImage } from "../core/image.ts";
import type { Dependency, ImageTexts, Project, Service } from "../core/ports.ts";

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

const ResolvedService = z.looseObject({
  image: z.string().optional(),
  container_name: z.string().optional(),
  network_mode: z.string().optional(),
  ipc: z.string().optional(),
  pid: z.string().optional(),
  volumes_from: z.array(z.string()).optional(),
  depends_on: DependsOn.optional(),
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

/** Errors: `compose_file` for a text that is not a project as we know it. */
export function parseResolved(yaml: string): Resolved {
  try {
    return Resolved.parse(Bun.YAML.parse(yaml));
  } catch (cause) {
    throw new DeployerError("compose_file", "docker compose config printed what this program cannot read", {
      cause,
    });
  }
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
  return `${JSON.stringify({ ...resolved, services: Object.fromEntries(services) }, undefined, 1)}\n`;
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

function configHash(fields: z.infer<typeof ResolvedService>): string {
  const { replicas: _, ...deploy } = fields.deploy ?? {};
  const kept = Object.entries({
    ...fields,
    deploy: Object.keys(deploy).length > 0 ? deploy : undefined,
  }).filter(([key]) => !NOT_CONFIGURATION.has(key) && !key.startsWith("x-"));
  return new Bun.CryptoHasher("sha256").update(canonical(Object.fromEntries(kept))).digest("hex");
}

/** JSON with sorted keys: the same value has the same text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) =>
    typeof nested === "object" && nested !== null && !Array.isArray(nested)
      ? Object.fromEntries(Object.entries(nested).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}
