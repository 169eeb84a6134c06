import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import type { Dependency, ImageTexts, Project, Service } from "../core/compose.ts";
import { type Problem, sayProblem, type WhereIs } from "../core/problem.ts";
import { configHash } from "./config-hash.ts";
import { readEdge } from "./edge-setting.ts";
import { jsonForYaml, parseExactJson } from "./exact-json.ts";
import { hostPorts } from "./host-ports.ts";
import { rollingObstacles } from "./obstacles.ts";
import { ResolvedService } from "./resolved-service.ts";
import { readSettings } from "./settings.ts";

/** What `docker compose config` prints, as far as we read it; the rest is kept as it came. */
export type Resolved = z.infer<typeof Resolved>;

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

/**
 * The project of Compose's JSON with each service's `x-deployer`, which is in its YAML only. That at the top is in both,
 * and in the JSON each value is what it is.
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

/** The file that a project is written in. */
type ComposeFile = {
  /** What relative paths are relative to. */
  folder: string;
  whereIs: WhereIs;
};

/** Errors: `compose_file` for an `x-deployer` that cannot be read, all problems in one message. */
export function toProject(
  resolved: Resolved,
  startedByDefault: ReadonlySet<string>,
  { folder, whereIs }: ComposeFile,
): Project {
  const problems: Problem[] = [];
  const services = new Map<string, Service>();
  const top = readEdge(resolved["x-deployer"], folder);
  if ("problems" in top)
    problems.push(...top.problems.map((problem) => ({ ...problem, service: undefined })));
  for (const [name, fields] of Object.entries(resolved.services)) {
    const read = readSettings(fields["x-deployer"], fields.network_mode);
    if ("problems" in read) {
      problems.push(...read.problems.map((problem) => ({ ...problem, service: name })));
      continue;
    }
    const { settings } = read;
    services.set(name, {
      name,
      image: fields.image,
      builtImage: `${resolved.name}-${name}`,
      configHash: configHash(fields),
      replicas: fields.scale ?? fields.deploy?.replicas ?? 1,
      containerName: fields.container_name,
      settings,
      hostPorts: hostPorts(fields),
      rollingObstacles: rollingObstacles(fields, settings),
      platform: fields.platform ?? undefined,
      dependsOn: dependencies(fields),
      sharesWith: sharedWith(fields),
      startedByDefault: startedByDefault.has(name),
    });
  }
  if ("problems" in top || problems.length > 0)
    throw new DeployerError(
      "compose_file",
      problems.map((problem) => sayProblem(problem, whereIs)).join("\n"),
    );
  return { name: resolved.name, services, edge: top.edge, whereIs };
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

function dependencies(fields: ResolvedService): Dependency[] {
  return Object.entries(fields.depends_on ?? {}).map(([service, { condition, required }]) => ({
    service,
    condition,
    required,
  }));
}

/** `service:web` of the namespaces, `web` or `web:ro` of `volumes_from`; those of containers outside the file are not ours. */
function sharedWith({ network_mode, ipc, pid, volumes_from = [] }: ResolvedService): string[] {
  const namespaces = [network_mode, ipc, pid]
    .filter((mode) => mode?.startsWith("service:") === true)
    .map((mode) => mode?.slice("service:".length));
  const volumes = volumes_from
    .filter((from) => !from.startsWith("container:"))
    .map((from) => from.split(":")[0]);
  return [...new Set([...namespaces, ...volumes])].filter((name) => name !== undefined);
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
