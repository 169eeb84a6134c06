import { isObject } from "./json-object.ts";
import { MAX_TOKEN_LENGTH } from "./jws.ts";

/** What a token shows to whoever has it, good or not: believe none of it. Undefined: it shows nothing that can be read. */
export function shownClaims(token: string): Record<string, unknown> | undefined {
  const [, claims] = token.split(".", 3);
  if (claims === undefined || token.length > MAX_TOKEN_LENGTH) return undefined;
  try {
    const shown: unknown = JSON.parse(Buffer.from(claims, "base64url").toString());
    return isObject(shown) ? shown : undefined;
  } catch {
    return undefined;
  }
}
