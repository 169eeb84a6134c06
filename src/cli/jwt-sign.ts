import { readFileSync } from "node:fs";

import type { PrivateKey } from "../tokens/keys.ts";
import { signToken } from "../tokens/sign.ts";
import { wholeNumber } from "./go-flags.ts";
import type { JwtCommand, JwtIo } from "./jwt-command.ts";
import { KEY_VARIABLE, keyFromVariable, parseKey } from "./signing-key.ts";

/** Prints a token and a newline, nothing else. */
export const signCommand: JwtCommand<"key" | "key-env" | "iss" | "exp"> = {
  name: "sign",
  flags: {
    key: { default: "private.pem", help: "private key PEM file, tried first" },
    "key-env": { default: KEY_VARIABLE, help: "environment variable with the private key PEM in base64" },
    iss: { default: "github-actions", help: "issuer claim" },
    exp: { default: "300", help: "seconds until the token expires", check: wholeNumber },
  },
  async run(flags, io) {
    const key = readSigningKey(flags.key, flags["key-env"], io.env);
    const expiresAt = Math.floor(io.now() / 1000) + Number(flags.exp);
    io.stdout(`${await signToken(key, { expiresAt, issuer: flags.iss })}\n`);
    return 0;
  },
};

/** The file first, then the variable; a variable other than the default is the only place looked at. */
function readSigningKey(file: string, variable: string, env: JwtIo["env"]): PrivateKey {
  if (variable !== "" && variable !== KEY_VARIABLE) return keyFromVariable(variable, env);
  const text = readIfPossible(file);
  if (text !== undefined) return parseKey(text, "file");
  if (!env[KEY_VARIABLE])
    throw new Error(`could not read key file (${file}), and env var ${KEY_VARIABLE} not set`);
  return keyFromVariable(KEY_VARIABLE, env);
}

function readIfPossible(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
