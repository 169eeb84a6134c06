import { BASE64 } from "../core/base64.ts";

/** The PEM of a text that is one, or base64 of one, whatever white space is in it. Undefined: it is neither. */
export function unpackPem(text: string): string | undefined {
  if (text.includes("-----BEGIN")) return text;
  const packed = text.replaceAll(/\s/g, "");
  if (packed === "" || !BASE64.test(packed)) return undefined;
  const pem = Buffer.from(packed, "base64").toString("utf8");
  return pem.includes("-----BEGIN") ? pem : undefined;
}
