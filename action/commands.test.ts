import { expect, test } from "bun:test";

import { errorCommand, groupCommand, maskCommands, verbatim, warningCommand } from "./commands.ts";

test("each line of a secret is masked, and no empty one, which would mask everything", () => {
  expect(maskCommands("-----BEGIN\r\nMIIE%2\n\n  \n-----END\n")).toBe(
    "::add-mask::-----BEGIN\n::add-mask::MIIE%252\n::add-mask::-----END\n",
  );
});

test("a text stays within its command", () => {
  expect(groupCommand("100 %\n::error::x")).toBe("::group::100 %25%0A::error::x\n");
  expect(errorCommand("a,b:c\n", "50 %\r\n::set-output name=x::y")).toBe(
    "::error title=a%2Cb%3Ac%0A::50 %25%0D%0A::set-output name=x::y\n",
  );
  expect(warningCommand("title", "text")).toBe("::warning title=title::text\n");
});

test("what is verbatim stands between the two halves of a token", () => {
  expect(verbatim(["::error::x", ""], "t0ken")).toBe(
    "::stop-commands::t0ken\n  | ::error::x\n  | \n::t0ken::\n",
  );
});
