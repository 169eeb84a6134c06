import { expect, test } from "bun:test";

import { DeployerError, errorCode, publicMessage } from "./errors.ts";

test("our own errors speak for themselves and keep their cause", () => {
  const cause = new Error("inner");
  const error = new DeployerError("docker", "no daemon", { cause });
  expect(error).toMatchObject({ name: "DeployerError", code: "docker", message: "no daemon", cause });
  expect(errorCode(error)).toBe("docker");
  expect(publicMessage(error)).toBe("no daemon");
});

test.each<[string, unknown]>([
  ["an error of another class", new TypeError("secret words")],
  ["a text", "secret words"],
  ["nothing", undefined],
  ["an object that looks like ours", { name: "DeployerError", code: "docker", message: "secret words" }],
])("%s is internal, and its words are not for callers", (_, error) => {
  expect(errorCode(error)).toBe("internal");
  expect(publicMessage(error)).toBe("internal error");
});
