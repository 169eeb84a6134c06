import { DeployerError } from "../core/errors.ts";

/** The largest legal body of a request. */
export const MAX_BODY_BYTES = 64 * 1024;

/** Reads a whole body. Errors: `too_large`, as soon as that is known; `invalid` when it ends early. */
export async function readBody(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get("Content-Length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // A chunked body does not say its length, so it is counted as it comes.
    for await (const chunk of request.body) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof DeployerError) throw error;
    throw new DeployerError("invalid", "the body ended early", { cause: error });
  }
  return Buffer.concat(chunks);
}

function tooLarge(): DeployerError {
  return new DeployerError("too_large", `request body larger than ${MAX_BODY_BYTES / 1024} KiB`);
}
