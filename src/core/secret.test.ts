import { expect, test } from "bun:test";

import { Secret } from "./secret.ts";

test("a secret cannot be printed by accident, only revealed", () => {
  const secret = new Secret("hunter2");
  const prints = [
    String(secret),
    "with " + secret,
    JSON.stringify({ secret }),
    Bun.inspect({ nested: [secret] }),
    Object.entries(secret).join(),
    JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
  ];
  for (const print of prints) expect(print).not.toContain("hunter2");
  expect(String(secret)).toBe("[redacted]");
  expect(secret.reveal()).toBe("hunter2");
});
