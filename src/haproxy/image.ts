import type { Registry } from "../core/engine.ts";
import { DeployerError, publicMessage } from "../core/errors.ts";
import { type ImageReference, parseImage, pinnedText, tagOrDigest } from "../core/image.ts";

/** For a registry that is asked which image a name means, or whether it has one. */
const RESOLVE_DEADLINE_MS = 120_000;
/** Of some 15 MB. A pull that stands still is given up earlier, by the registry's adapter. */
const PULL_DEADLINE_MS = 10 * 60_000;

/** HAProxy 3.0.26, looked after until 2029; for amd64 and arm64. */
export const DEFAULT_IMAGE =
  "public.ecr.aws/docker/library/haproxy:3.0-alpine@sha256:7c8dac975b9def049d6585b7efe865486acaa7b6ec5e74eec45f08fde8bb2ad4";

/** What was asked for, and the one image that this meant when it was asked for first. */
export type EdgeImage = { asked: string; pinned: string };

/**
 * What a text means is asked once, when it is new in the compose file: a tag that moves does not replace the proxy by
 * itself. Errors: `edge`, naming the key of the compose file.
 * @param known what the proxies that are there were made of
 */
export async function chooseImage(
  registry: Pick<Registry, "resolve">,
  asked: string | undefined,
  known: readonly EdgeImage[],
): Promise<EdgeImage> {
  const text = asked ?? DEFAULT_IMAGE;
  const image = parsed(text);
  const chosen = known.find((each) => each.asked === text);
  if (chosen !== undefined) return chosen;
  const digest = await within(RESOLVE_DEADLINE_MS, text, (signal) => registry.resolve(image, signal));
  return { asked: text, pinned: pinnedText(image, digest) };
}

/** Asks its registry whether it has it. Errors: `edge`, naming the key of the compose file. */
export async function askForImage(
  registry: Pick<Registry, "assertThere">,
  { asked, pinned }: EdgeImage,
): Promise<void> {
  const image = parsed(asked, pinned);
  await within(RESOLVE_DEADLINE_MS, asked, (signal) => registry.assertThere(image, signal));
}

/** Brings it to this host, if it is not there. Errors: `edge`, naming the key of the compose file. */
export async function bringImage(
  registry: Pick<Registry, "pull">,
  { asked, pinned }: EdgeImage,
  deadlineMs: number = PULL_DEADLINE_MS,
): Promise<void> {
  const image = parsed(asked, pinned);
  await within(deadlineMs, asked, (signal) => registry.pull(image, tagOrDigest(image), signal));
}

function parsed(asked: string, text: string = asked): ImageReference {
  const image = parseImage(text);
  if (image === undefined) throw refused(asked, "this is not the name of an image");
  return image;
}

/** Errors: `edge`, for whatever is in the way of the image. */
async function within<T>(
  deadlineMs: number,
  asked: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(deadlineMs);
  try {
    return await work(signal);
  } catch (cause) {
    const why = signal.aborted ? `it was not had within ${deadlineMs / 1000} s` : publicMessage(cause);
    throw refused(asked, why, cause);
  }
}

function refused(text: string, why: string, cause?: unknown): DeployerError {
  return new DeployerError("edge", `x-deployer.edge.image: ${text} cannot be used for the proxy: ${why}`, {
    cause,
  });
}
