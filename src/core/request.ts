import { z } from "zod";

import { BASE64 } from "./base64.ts";
import type { DeploymentRequest } from "./deployment.ts";
import { DeployerError } from "./errors.ts";
import { parseImage, sameRepository } from "./image.ts";
import { parseRun, type Run } from "./order.ts";
import type { Project, Service } from "./compose.ts";

/** What a caller asks for, checked for form only; whether it may be done is `authorise`'s to say. */
export type DeployRequest = DeploymentRequest & {
  /** The caller's CI run, for the order guard. */
  run?: Run;
};

const DeployBody = z.object({
  service: z.string().nullish(),
  services: z.array(z.string()).nullish(),
  image: z.string().nullish(),
  images: z.custom<Record<string, string | null>>(isTextByName).nullish(),
  force: z.boolean().nullish(),
  run: z.unknown().optional(),
});

const RollbackBody = z.object({
  service: z.string().nullish(),
  to: z.string().nullish(),
  force: z.boolean().nullish(),
});

/**
 * Reads a `/deploy` body: JSON when it begins with `{`, else base64 of that JSON. It names one `service` or several
 * `services`, and one `image` for all of them or `images` by service.
 * Errors: `invalid`, in the original's words where it had some.
 */
export function parseRequest(body: Uint8Array): DeployRequest {
  const { force, run, ...fields } = parseBody(body, DeployBody);
  const services = parseServices(fields);
  const imageOf = parseImages(fields, services);
  return {
    kind: "deploy",
    parts: services.map((service) => ({ service, image: imageOf(service) })),
    to: undefined,
    force: force ?? false,
    ...(run == null ? {} : { run: parseRun(run) }),
  };
}

/**
 * Reads a `/rollback` body, in the same forms: `service`, and `to`, the id of a deployment. Without `to` the version
 * before the one that runs is wanted; an empty one is a slip in somebody's shell and not the same as none.
 * Errors: `invalid`.
 */
export function parseRollback(body: Uint8Array): DeploymentRequest {
  const { service, to, force } = parseBody(body, RollbackBody);
  const [name] = parseServices({ service });
  if (to?.trim() === "") throw new DeployerError("invalid", "to is empty");
  return {
    kind: "rollback",
    parts: [{ service: name, image: undefined }],
    to: to ?? undefined,
    force: force ?? false,
  };
}

/**
 * The services a request names, if they may be deployed with the images it names. A rollback needs no image of the compose
 * file: a deployment has decided on it earlier.
 * Errors: `not_found`, `not_deployable`.
 */
export function authorise(
  { kind, parts }: Pick<DeploymentRequest, "kind" | "parts">,
  project: Project,
): Service[] {
  return parts.map(({ service: name, image }) => {
    const service = project.services.get(name);
    if (service === undefined)
      throw new DeployerError("not_found", `unknown service ${JSON.stringify(name)}`);
    if (kind === "deploy") allowDeployment(service, image);
    return service;
  });
}

function parseBody<T>(body: Uint8Array, schema: z.ZodType<T>): T {
  const fields = schema.safeParse(parseJson(body[0] === 0x7b ? body : decodeBase64(body)));
  if (fields.success) return fields.data;
  throw new DeployerError("invalid", "invalid json");
}

type Named = Pick<z.infer<typeof DeployBody>, "service" | "services">;

function parseServices({ service, services }: Named): [string, ...string[]] {
  if (service != null && services != null)
    throw new DeployerError("invalid", "service and services: one of the two");
  const [first, ...others] = services ?? [service ?? ""];
  if (first === undefined) throw new DeployerError("invalid", "services is empty");
  const names: [string, ...string[]] = [first, ...others];
  if (names.some((name) => name.trim() === "")) throw new DeployerError("invalid", "service is required");
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new DeployerError("invalid", `services has ${JSON.stringify(twice)} twice`);
  return names;
}

type Imaged = Pick<z.infer<typeof DeployBody>, "image" | "images">;

/**
 * An empty image is not the same as none: an unset variable in somebody's shell must not deploy what the compose file names.
 * @returns what gives the image that is asked for, if one is
 */
function parseImages(
  { image, images }: Imaged,
  services: readonly string[],
): (service: string) => string | undefined {
  if (images == null) return () => image ?? undefined;
  if (image != null) throw new DeployerError("invalid", "image and images: one of the two");
  const byService = new Map(Object.entries(images));
  const stray = [...byService.keys()].find((name) => !services.includes(name));
  if (stray !== undefined)
    throw new DeployerError("invalid", `images has ${JSON.stringify(stray)}, which is not to be deployed`);
  return (service) => byService.get(service) ?? undefined;
}

function isTextByName(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string" || text === null)
  );
}

function allowDeployment(service: Service, image: string | undefined): void {
  if (service.image === undefined) {
    throw new DeployerError(
      "not_deployable",
      `service "${service.name}" is built locally; give it an "image:" in the compose file to deploy it by webhook`,
    );
  }
  if (image !== undefined) allowImage(image, service, service.image);
}

function allowImage(text: string, service: Service, fileImage: string): void {
  const image = parseImage(text);
  if (image === undefined) {
    throw new DeployerError(
      "not_deployable",
      `image ${JSON.stringify(text)} is not an image reference${slipIn(text)}`,
    );
  }
  const allowed = [fileImage, ...service.settings.images].map(parseImage);
  if (!allowed.some((other) => other !== undefined && sameRepository(image, other))) {
    throw new DeployerError(
      "not_deployable",
      `image ${JSON.stringify(text)} is not from a repository that service "${service.name}" may run; add it to x-deployer.images in the compose file to allow it`,
    );
  }
}

function slipIn(image: string): string {
  if (image === "") return " (is the variable set?)";
  return image.includes("$") ? " (single quotes in your shell?)" : "";
}

function decodeBase64(body: Uint8Array): Uint8Array {
  const text = new TextDecoder("latin1").decode(body).replaceAll(/[\r\n]/g, "");
  if (!BASE64.test(text)) throw new DeployerError("invalid", "invalid base64");
  return Uint8Array.fromBase64(text);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new DeployerError("invalid", "invalid json", { cause });
  }
}
