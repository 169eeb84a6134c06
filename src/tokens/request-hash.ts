import { createHash } from "node:crypto";

/**
 * What binds a token to one request: the SHA-256, as unpadded base64url, of `METHOD SP target LF body`. The target is that
 * of the request line, with its query; the body is the bytes as they are sent.
 */
export function requestHash(method: string, target: string, body: Uint8Array | string): string {
  return createHash("sha256").update(`${method} ${target}\n`).update(body).digest("base64url");
}
