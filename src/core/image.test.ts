import { expect, test } from "bun:test";
import fc from "fast-check";

import { parseImage, pinnedText, sameRepository, tagOrDigest } from "./image.ts";

const DIGEST = `sha256:${"a1".repeat(32)}`;

test.each([
  ["web", "docker.io", "library/web", undefined],
  ["web:v1", "docker.io", "library/web", "v1"],
  ["library/web", "docker.io", "library/web", undefined],
  ["acme/web:v1", "docker.io", "acme/web", "v1"],
  ["a/b/c_d/e__f/g--h/i.j", "docker.io", "a/b/c_d/e__f/g--h/i.j", undefined],
  ["docker.io/web", "docker.io", "library/web", undefined],
  ["index.docker.io/web", "docker.io", "library/web", undefined],
  ["docker.io/acme/web", "docker.io", "acme/web", undefined],
  ["Docker.IO/library/web", "docker.io", "library/web", undefined],
  ["ghcr.io/web", "ghcr.io", "web", undefined],
  ["localhost/web", "localhost", "web", undefined],
  ["localhost:5000/web", "localhost:5000", "web", undefined],
  ["localhost:5000", "docker.io", "library/localhost", "5000"],
  ["127.0.0.1:5000/team/web:v1", "127.0.0.1:5000", "team/web", "v1"],
  ["[::1]:5000/web:v1", "[::1]:5000", "web", "v1"],
  ["[2001:db8::1]/web", "[2001:db8::1]", "web", undefined],
  ["REGISTRY/web", "registry", "web", undefined],
  ["Ghcr.io:443/web", "ghcr.io", "web", undefined],
  ["ghcr.io:8443/web", "ghcr.io:8443", "web", undefined],
  ["web:V1.2_3-rc", "docker.io", "library/web", "V1.2_3-rc"],
  [`web:${"t".repeat(128)}`, "docker.io", "library/web", "t".repeat(128)],
  [
    "123456789012.dkr.ecr.us-west-2.amazonaws.com/web:v42",
    "123456789012.dkr.ecr.us-west-2.amazonaws.com",
    "web",
    "v42",
  ],
])("%s is an image reference", (text, registry, path, tag) => {
  expect(parseImage(text)).toMatchObject({ registry, path, tag, digest: undefined });
  expect(parseImage(`${text}@${DIGEST}`)).toMatchObject({ registry, path, tag, digest: DIGEST });
});

test.each([
  "",
  " ",
  "$IMAGE",
  "${IMAGE}",
  "$(reboot)",
  "`reboot`",
  "--help",
  "-f",
  "web;reboot",
  "web v1",
  " web",
  "web\n",
  "web:v1\n",
  "web\0",
  "web:",
  ":v1",
  "web:v1:v2",
  "web:-v1",
  "web:.v1",
  `web:${"t".repeat(129)}`,
  "Web",
  "acme/Web",
  "acme//web",
  "/web",
  "web/",
  "acme/_web",
  "acme/web_",
  "acme/we..b",
  "../web",
  "acme/../web",
  "https://ghcr.io/web",
  "user:password@ghcr.io/web",
  "ghcr.io:port/web",
  "ghcr.io:123456/web",
  "ghcr.io/",
  ".io/web",
  "[::1/web",
  "wéb",
  "web@",
  "web@sha256:abc",
  `@${DIGEST}`,
  `web@${DIGEST.toUpperCase()}`,
  `web@${DIGEST}@${DIGEST}`,
  `web@md5:${"a".repeat(64)}`,
  "a".repeat(256),
  "a".repeat(100_000),
  `${"a/".repeat(50_000)}a`,
])("%j is not an image reference", (text) => {
  expect(parseImage(text)).toBeUndefined();
});

test.each([
  ["web", "library/web", true],
  ["web:v1", `docker.io/library/web:v2@${DIGEST}`, true],
  ["index.docker.io/acme/web", "registry-1.docker.io/acme/web", true],
  ["GHCR.io:443/acme/web", "ghcr.io/acme/web:v9", true],
  ["ghcr.io/acme/web", "acme/web", false],
  ["ghcr.io/web", "ghcr.io/library/web", false],
  ["ghcr.io/acme/web", "ghcr.io:8443/acme/web", false],
  ["ghcr.io/acme/web", "ghcr.io/acme/web2", false],
  ["ghcr.io/acme/web", "ghcr.io/acme/web/evil", false],
  ["ghcr.io/acme/web", "ghcr.io.evil.example/acme/web", false],
])("whether %s and %s are one repository: %p", (one, other, expected) => {
  const [a, b] = [parseImage(one), parseImage(other)];
  if (a === undefined || b === undefined) throw new Error("not image references");
  expect(sameRepository(a, b)).toBe(expected);
  expect(sameRepository(b, a)).toBe(expected);
});

test.each([
  ["web", `web:latest@${DIGEST}`, "latest"],
  ["web:v1", `web:v1@${DIGEST}`, "v1"],
  ["ghcr.io:443/web:v1", `ghcr.io:443/web:v1@${DIGEST}`, "v1"],
  [`web@${DIGEST}`, `web@${DIGEST}`, DIGEST],
  [`web:v1@${DIGEST}`, `web:v1@${DIGEST}`, DIGEST],
])("%s is pinned as the author named it", (text, pinned, asked) => {
  const image = parseImage(text);
  if (image === undefined) throw new Error("not an image reference");
  expect(pinnedText(image, DIGEST)).toBe(pinned);
  expect(tagOrDigest(image)).toBe(asked);
});

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const component = fc
  .tuple(word, fc.array(fc.tuple(fc.constantFrom(".", "_", "__", "-", "---"), word), { maxLength: 2 }))
  .map(([first, rest]) => first + rest.flat().join(""));
const host = fc
  .tuple(
    fc.stringMatching(/^[A-Za-z0-9]{1,8}\.[a-z]{2,5}$/),
    fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
  )
  .map(([name, port]) => (port === undefined ? name : `${name}:${port}`));
const reference = fc
  .record({
    host: fc.option(host, { nil: undefined }),
    path: fc.array(component, { minLength: 1, maxLength: 4 }),
    tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/), { nil: undefined }),
    digest: fc.option(fc.constant(DIGEST), { nil: undefined }),
  })
  // Without a host, a dot in the first of several components would make it one.
  .filter(({ host, path }) => host !== undefined || path.length === 1 || path[0]?.includes(".") === false)
  .map(({ host, path, tag, digest }) => ({
    text: `${host === undefined ? "" : `${host}/`}${path.join("/")}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`,
    tag,
    digest,
  }));

test("whatever the grammar makes is read, and its pinned text names the same repository", () => {
  fc.assert(
    fc.property(reference, ({ text, tag, digest }) => {
      const image = parseImage(text);
      expect(image).toMatchObject({ tag, digest });
      if (image === undefined) return;
      const pinned = parseImage(pinnedText(image, DIGEST));
      expect(pinned).toEqual({
        ...image,
        digest: DIGEST,
        tag: tag ?? (digest === undefined ? "latest" : undefined),
      });
    }),
  );
});

test("what is read as an image holds nothing that a shell, a path, an option or YAML could mistake", () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      "a",
      "B",
      "0",
      ".",
      "-",
      "_",
      "/",
      ":",
      "@",
      "[",
      "]",
      "$",
      "(",
      " ",
      "\n",
      "\0",
      "'",
      '"',
      "é",
      "~",
    ),
    maxLength: 30,
  });
  fc.assert(
    fc.property(hostile, (text) => {
      if (parseImage(text) === undefined) return;
      expect(text).toMatch(/^[A-Za-z0-9[][A-Za-z0-9._\-/:@[\]]*$/);
      expect(text).not.toContain("//");
      expect(text.split("/")).not.toContain("..");
    }),
    { numRuns: 2_000 },
  );
});
