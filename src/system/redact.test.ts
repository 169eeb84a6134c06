import { expect, test } from "bun:test";

import { printable } from "./printable.ts";
import { redactText } from "./redact.ts";

const HEADER = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
const CLAIMS = "eyJleHAiOjE3OTU0NTYwMDAsImlzcyI6ImdpdGh1Yi1hY3Rpb25zIn0";
const SIGNATURE = "c2lnbmF0dXJl".repeat(8);
const TOKEN = `${HEADER}.${CLAIMS}.${SIGNATURE}`;

const TEXTS: [text: string, redacted: string][] = [
  [`token ${TOKEN} refused`, "token [redacted] refused"],
  [`/deployments/${TOKEN}`, "/deployments/[redacted]"],
  [`{"t":"${TOKEN}"}`, '{"t":"[redacted]"}'],
  [`${HEADER}.${CLAIMS}`, "[redacted]"],
  [`${HEADER}.`, "[redacted]"],
  [`ewogICJhbGciOiAi.ewogICJleHAi.${SIGNATURE}`, "[redacted]"],
  ["Bearer abc.def", "Bearer [redacted]"],
  ["sent bearer  x", "sent bearer [redacted]"],
  ["Basic QVdTOnBhc3N3b3Jk!", "Basic [redacted]"],
  ["Authorization: Token abc def", "Authorization: [redacted]"],
  ['{"X-Registry-Auth":"e30="}', '{"X-Registry-Auth":"[redacted]"}'],
  ["https://user:hunter2@registry.example.com/v2/", "https://[redacted]@registry.example.com/v2/"],
  ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nrest", "[redacted]\nrest"],
  ["-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted]"],
];
for (const [text, redacted] of TEXTS) {
  test(`${JSON.stringify(text).slice(0, 60)} is redacted`, () => {
    expect(redactText(text)).toBe(redacted);
  });
}

const HARMLESS = [
  "no basic auth credentials",
  "deploy request successful for service frontend",
  "123456789012.dkr.ecr.us-west-2.amazonaws.com/frontend:v42",
  `repo@sha256:${"ab".repeat(32)}`,
  "dial tcp 127.0.0.1:5000: connect: connection refused",
  "http://127.0.0.1:5000/v2/",
];
for (const text of HARMLESS) {
  test(`${JSON.stringify(text)} stays as it is`, () => {
    expect(redactText(text)).toBe(text);
  });
}

test("values of secret-looking keys are not printed", () => {
  const fields = {
    Authorization: "x",
    "proxy-authorization": "x",
    password: "x",
    sessionToken: { a: "x" },
    secretAccessKey: "x",
    "X-Registry-Auth": "x",
    "Set-Cookie": "x",
    token: undefined,
    registry_credential: "failing",
    service: "web",
  };
  expect(printable(fields)).toEqual({
    Authorization: "[redacted]",
    "proxy-authorization": "[redacted]",
    password: "[redacted]",
    sessionToken: "[redacted]",
    secretAccessKey: "[redacted]",
    "X-Registry-Auth": "[redacted]",
    "Set-Cookie": "[redacted]",
    token: undefined,
    registry_credential: "failing",
    service: "web",
  });
});

test("a token that the length limit cuts in two is not printed either", () => {
  const text = String(printable(`${"a ".repeat(4050)}${TOKEN}`));
  expect(text.includes(HEADER)).toBe(false);
  expect(text).toEndWith(" [redacted]");
});

test("hostile text costs little time", () => {
  const begin = performance.now();
  for (const part of [
    "-eyJ",
    "eyJ",
    "a.",
    "bearer ",
    "://a:",
    "-----BEGIN PRIVATE KEY-----",
    "aaaaaaaa.",
    "authorization ",
  ]) {
    redactText(part.repeat(16_384 / part.length));
  }
  expect(performance.now() - begin).toBeLessThan(500);
});
