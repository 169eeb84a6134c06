import { z } from "zod";

import { DeployerError } from "./errors.ts";
import { parseImage, sameRepository } from "./image.ts";
import { parseRun, type Run } from "./order.ts";
import type { Project, Service } from "./ports.ts";

/** What a caller asks for, checked for form only; whether it may be done is `authorise`'s to say. */
export type DeployRequest = {
  service: string;
  image: string | undefined;
  force: boolean;
  /** The caller's CI run, for the order guard. */
  run?: Run | undefined;
};

const Body = z.object({
  service: z.string().nullish(),
  image: z.string().nullish(),
  force: z.boolean().nullish(),
  run: z.unknown().optional(),
});

/** Standard alphabet, padding required, as Go's base64.StdEncoding: the original's decoder. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads a `/deploy` body: JSON when it begins with `{`, else base64 of that JSON.
 * Errors: `invalid`, in the original's words where it had some.
 */
export function parseRequest(body: Uint8Array): DeployRequest {
  const fields = Body.safeParse(parseJson(body[0] === 0x7b ? body : decodeBase64(body)));
  if (!fields.success) throw new DeployerError("invalid", "invalid json");
  const service = fields.data.service ?? "";
  if (service.trim() === "") throw new DeployerError("invalid", "service is required");
  const { image, force, run } = fields.data;
  return {
    service,
    image: image || undefined,
    force: force ?? false,
    run: run == null ? undefined : parseRun(run),
  };
}

/**
 * The service a request names, if it may be deployed with the image it names.
 * Errors: `not_found`, `not_deployable`.
 */
export function authorise(request: DeployRequest, project: Project): Service {
  const service = project.services.get(request.service);
  if (service === undefined)
    throw new DeployerError("not_found", `unknown service ${JSON.stringify(request.service)}`);
  if (service.image === undefined) {
    throw new DeployerError(
      "not_deployable",
      `service "${service.name}" is built locally; give it an "image:" in the compose file to deploy it by webhook`,
    );
  }
  if (request.image !== undefined) allowImage(request.image, service, service.image);
  return service;
}

function allowImage(text: string, service: Service, fileImage: string): void {
  const image = parseImage(text);
  if (image === undefined) {
    throw new DeployerError(
      "not_deployable",
      `image ${JSON.stringify(text)} is not an image reference${text.includes("$") ? " (single quotes in your shell?)" : ""}`,
    );
  }
  const allowed = [fileImage, ...service.images].map(parseImage);
  if (!allowed.some((other) => other !== undefined && sameRepository(image, other))) {
    throw new DeployerError(
      "not_deployable",
      `image ${JSON.stringify(text)} is not from a repository that service "${service.name}" may run; add it to x-deployer.images in the compose file to allow it`,
    );
  }
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
