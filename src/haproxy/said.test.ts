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

test("of a port that HAProxy could not have it is said which, and what to do", () => {
  expect(
    complaintIn([
      "[ALERT]    (1) : Binding [/edge/haproxy.cfg:30] for frontend deployer:http: cannot bind socket (Address already in use) for [0.0.0.0:80]",
      "[ALERT]    (1) : [haproxy.main()] Some protocols failed to start their listeners! Exiting.",
    ]),
  ).toStartWith(
    "port 80 of this host is taken (ss -ltnp 'sport = :80' names by whom): free it, or name another under x-deployer.edge; HAProxy says: Binding ",
  );
});

test.each([
  [
    ["[ALERT]    (1) : config : Fatal errors found in configuration."],
    "Fatal errors found in configuration.",
  ],
  [["exec: haproxy: not found", ""], "exec: haproxy: not found"],
  [["Success=0", "--", "[ALERT]    (12) : proxy web has no server", ""], "proxy web has no server"],
  [[], "it said nothing"],
  [["Success=0", "--", ""], "it said nothing"],
  [["Success=0", ""], "it said nothing"],
])("without a better one, what there is: %p", (lines, complaint) => {
  expect(complaintIn(lines)).toBe(complaint);
});
