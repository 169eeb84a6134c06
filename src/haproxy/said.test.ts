import { expect, test } from "bun:test";

import { complaintIn } from "./said.ts";

test("the first thing that is wrong is told, without the times and the summary", () => {
  expect(
    complaintIn([
      "[NOTICE]   (1) : haproxy version is 3.0.11",
      "[WARNING]  (1) : config : missing timeouts for backend 'web'.",
      "[ALERT]    (1) : config : parsing [/edge/candidate.cfg:7] : unknown keyword 'bnid' in 'frontend' section",
      "[ALERT]    (1) : config : parsing [/edge/candidate.cfg:9] : unknown keyword 'x' in 'frontend' section",
      "[ALERT]    (1) : config : Error(s) found in configuration file : /edge/candidate.cfg",
      "[ALERT]    (1) : config : Fatal errors found in configuration.",
    ]),
  ).toBe("parsing [/edge/candidate.cfg:7] : unknown keyword 'bnid' in 'frontend' section");
});

test.each([
  [
    ["[ALERT]    (1) : config : Fatal errors found in configuration."],
    "Fatal errors found in configuration.",
  ],
  [["exec: haproxy: not found", ""], "exec: haproxy: not found"],
  [["Success=0", "--", "[ALERT]    (12) : proxy web has no server", ""], "proxy web has no server"],
  [[], "it said nothing"],
])("without a better one, what there is: %p", (lines, complaint) => {
  expect(complaintIn(lines)).toBe(complaint);
});
