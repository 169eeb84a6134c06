import { expect, test } from "bun:test";

import { inWords } from "./size.ts";

test.each([
  [0, "0 bytes"],
  [-5, "0 bytes"],
  [1023, "1023 bytes"],
  [1024, "1.0 KiB"],
  [1.5 * 1024 ** 3, "1.5 GiB"],
  [800 * 1024 ** 2, "800 MiB"],
  [5000 * 1024 ** 4, "5000 TiB"],
])("%d bytes are %s", (bytes, words) => {
  expect(inWords(bytes)).toBe(words);
});
