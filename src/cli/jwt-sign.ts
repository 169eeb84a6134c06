import { readFileSync } from "node:fs";

import { type PrivateKey, readPrivateKey } from "../tokens/keys.ts";
import { signToken } from "../tokens/sign.ts";
import { wholeNumber } from "./go-flags.ts";
import { type JwtCommand, type JwtIo, labelled } from "./jwt-command.ts";

const KEY_VARIABLE = "DEPLOY_SIGNING_KEY_B64";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

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
  if (variable !== "" && variable !== KEY_VARIABLE) {
    const value = env[variable];
    if (!value) throw new Error(`env var ${variable} was specified but is not set`);
    return parseKey(decodeBase64(value), "env");
  }
  const text = readIfPossible(file);
  if (text !== undefined) return parseKey(text, "file");
  const value = env[KEY_VARIABLE];
  if (!value) throw new Error(`could not read key file (${file}), and env var ${KEY_VARIABLE} not set`);
  return parseKey(decodeBase64(value), "env");
}

function readIfPossible(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function parseKey(text: string, source: "file" | "env"): PrivateKey {
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
