import { base64, encoded, type HttpCases } from "./http-case.ts";

const WEB = '{"service":"web"}';
/** Encodes to more than one line, and to both characters in which the two alphabets differ. */
const LONG = JSON.stringify({ service: "web", note: "~~~???>>>".repeat(12) });

/** Rows about the body of a `/deploy` request. */
export const BODY_CASES: HttpCases = {
  "valid request (no change)": {},
  "valid, JSON unencoded body": { body: WEB },
  "body not base64": { body: "not base64!" },
  "base64 of non-JSON": { body: base64("hello") },
  "JSON without service": { body: encoded({}) },
  "service whitespace": { body: encoded({ service: " \t" }) },
  "service is number": { body: encoded({ service: 7 }) },
  "JSON null": { body: base64("null") },
  "JSON with trailing garbage": { body: base64(`${WEB}x`) },
  "JSON with trailing newline": { body: base64(`${WEB}\n`) },
  "unknown service (pull fails twice)": { body: encoded({ service: "nope" }) },
  'service "--help" (option injection)': { body: encoded({ service: "--help" }) },
  'service "--dry-run"': {
    body: encoded({ service: "--dry-run" }),
    text: 'unknown service "--dry-run"\n',
  },
  "empty body": { body: "" },
  "base64 + trailing newline": { body: `${base64(WEB)}\n` },
  "wrapped base64 76 columns (LF)": { body: base64(LONG).replace(/.{76}/g, "$&\n") },
  "space inside base64": { body: base64(WEB).replace(/^.{8}/, "$& ") },
  "base64url alphabet (-_ present)": {
    body: base64(LONG).replaceAll("+", "-").replaceAll("/", "_"),
  },
  'base64 without "=" padding': { body: base64(WEB).replace(/=+$/, "") },
  "2 MB JSON body, valid": {
    body: encoded({ service: "web", filler: "x".repeat(2 * 1024 ** 2) }),
    text: "request body larger than 64 KiB\n",
  },
  "unknown extra fields": { body: encoded({ service: "web", Service: 1, extra: { deep: [null] } }) },
  'key "Service"': { body: encoded({ Service: "web" }) },
  "chunked transfer encoding": {
    headers: [["Transfer-Encoding", "chunked"]],
    body: chunks(base64(WEB).match(/.{1,5}/gs) ?? []),
  },
};

/** RFC 9112, 7.1. */
function chunks(parts: readonly string[]): string {
  return [...parts, ""].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
}
