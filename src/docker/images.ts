import { z } from "zod";
import { DeployerError } from "../core/errors.ts";
import { parseImage } from "../core/image.ts";
import type { Clock, Credential, Engine } from "../core/ports.ts";
import { engineMessage, parseAnswer } from "./answer.ts";
import { registryFailure } from "./failures.ts";
import { pullImage } from "./pull.ts";
import { registryAuth } from "./registry-auth.ts";
import type { Transport } from "./transport.ts";

const INSPECT_DEADLINE_MS = 10_000;
const RESOLVE_DEADLINE_MS = 30_000;
/** The deadline above is to strike first: it is the registry that is slow then, not Docker. */
const ANSWER_MARGIN_MS = 5_000;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

const image = z.object({ Id: z.string().min(1) });
const distribution = z.object({
  Descriptor: z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) }),
});

/**
 * Local images, and those of registries as Docker reaches them.
 * With the containerd image store the id of an image is the digest of its manifest or index, not of its configuration;
 * a container's `imageId` is then of the same kind, so that the two still compare.
 */
export function createImages(
  transport: Transport,
  clock: Clock,
  resolveDeadlineMs = RESOLVE_DEADLINE_MS,
): Pick<Engine, "imageId" | "resolveDigest" | "pull"> {
  async function imageId(text: string): Promise<string | undefined> {
    const path = `/images/${imagePath(text)}/json`;
    const answer = await transport.send({ method: "GET", path, deadlineMs: INSPECT_DEADLINE_MS });
    return answer.status === 404 ? undefined : parseAnswer(answer, image, `inspect image ${text}`).Id;
  }

  async function resolveDigest(
    text: string,
    credential: Credential | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const path = `/distribution/${imagePath(text)}/json`;
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      const message = `the registry of ${text} did not answer within ${resolveDeadlineMs / 1000} s`;
      deadline.abort(new DeployerError("registry_unavailable", message));
    }, resolveDeadlineMs);
    const call = transport.send({
      method: "GET",
      path,
      headers: registryAuth(credential),
      deadlineMs: resolveDeadlineMs + ANSWER_MARGIN_MS,
      signal: AbortSignal.any([signal, deadline.signal]),
    });
    const answer = await call.finally(() => clearTimeout(timer));
    if (answer.status !== 200) throw registryFailure(text, engineMessage(answer.text));
    return parseAnswer(answer, distribution, `look up ${text}`).Descriptor.digest;
  }

  return {
    imageId,
    resolveDigest,
    pull: (repository, tagOrDigest, credential, progress, signal, platform) =>
      pullImage(transport, clock, { repository, tagOrDigest, credential, progress, signal, platform }),
  };
}

/** A reference as Docker wants it in a path, slashes and all; nothing that is not a reference or an id may get there. */
function imagePath(text: string): string {
  if (parseImage(text) === undefined && !IMAGE_ID.test(text)) {
    throw new DeployerError("invalid", `${JSON.stringify(text)} is not an image reference`);
  }
  return text;
}
