import { readFileSync } from "node:fs";

import { BASE64 } from "../core/base64.ts";
import { type PrivateKey, readPrivateKey } from "../tokens/keys.ts";
import { labelled, messageOf } from "./jwt-command.ts";

/** `iss` of the tokens that a key signs, as the original's `jwt sign` had it. */
export const DEFAULT_ISSUER = "github-actions";
/** Where the private key is, as PEM in base64, unless another variable is named. */
export const KEY_VARIABLE = "DEPLOY_SIGNING_KEY_B64";

/** Throws an `Error` that says what is wrong with the file, and nothing of what is in it. */
export function keyFromFile(path: string): PrivateKey {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`could not read key file (${path}): ${messageOf(error)}`, { cause: error });
  }
  return parseKey(text, "file");
}

/** PEM in base64. Throws an `Error` that says what is wrong with the variable, and nothing of its value. */
export function keyFromVariable(name: string, env: Readonly<Record<string, string | undefined>>): PrivateKey {
  const value = env[name];
  if (!value) throw new Error(`env var ${name} was specified but is not set`);
  return parseKey(decodeBase64(value), "env");
}

export function parseKey(text: string, source: "file" | "env"): PrivateKey {
  return labelled(`failed to parse RSA private key from ${source}`, () => readPrivateKey(text));
}

/** Line breaks are tolerated, as `base64` makes them; of a wrong value nothing but a position is printed. */
function decodeBase64(value: string): string {
  const text = value.replaceAll(/[\r\n]/g, "");
  if (BASE64.test(text)) return Buffer.from(text, "base64").toString("utf8");
  const illegal = value.search(/[^A-Za-z0-9+/=\r\n]/);
  const position = illegal === -1 ? value.length : illegal;
  throw new Error(`failed to decode base64 from env: illegal base64 data at input byte ${position}`);
}
