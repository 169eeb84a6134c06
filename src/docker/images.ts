import { z } from "zod";
import { DeployerError } from "../core/errors.ts";
import type { Credential, Engine } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { engineMessage, parseAnswer } from "./answer.ts";
import { registryFailure } from "./failures.ts";
import { imagePath } from "./local-images.ts";
import { pullImage } from "./pull.ts";
import { registryAuth } from "./registry-auth.ts";
import type { Transport } from "./transport.ts";

const RESOLVE_DEADLINE_MS = 30_000;
/** The deadline above is to strike first: it is the registry that is slow then, not Docker. */
const ANSWER_MARGIN_MS = 5_000;

const distribution = z.object({
  Descriptor: z.object({ digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) }),
});

/** Images of registries, as Docker reaches them. */
export function createImages(
  transport: Transport,
  clock: Clock,
  resolveDeadlineMs = RESOLVE_DEADLINE_MS,
): Pick<Engine, "resolveDigest" | "pull"> {
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
    resolveDigest,
    pull: (repository, tagOrDigest, credential, progress, signal, platform) =>
      pullImage(transport, clock, { repository, tagOrDigest, credential, progress, signal, platform }),
  };
}
