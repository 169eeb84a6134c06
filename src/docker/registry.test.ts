import { expect, test } from "bun:test";

import { DeployerError } from "../core/errors.ts";
import type { PullProgress } from "../core/engine.ts";
import { credential, DIGEST, DOMAIN, image, NEVER, setUp, WEB } from "./fake-pulls.ts";
import { createRegistry } from "./registry.ts";

test("the ECR token goes to its registry, the operator's credentials to all others", async () => {
  const { registry, tried } = setUp();
  for (const text of [
    `${DOMAIN}/web`,
    `${DOMAIN.toUpperCase()}:443/web`,
    "ghcr.io/a/b",
    "nginx",
    `${DOMAIN}.evil.example/web`,
  ]) {
    await registry.resolve(image(text), NEVER);
  }
  expect(tried).toEqual([
    "ecr",
    "ecr",
    "docker for ghcr.io",
    "docker for docker.io",
    `docker for ${DOMAIN}.evil.example`,
  ]);
});

test("a domain with capitals and the port of its scheme is the same registry", async () => {
  const tokens = {
    credential: () => Promise.resolve(credential("ecr")),
    renew: () => Promise.resolve(credential("new")),
  };
  const { registry, tried } = setUp({ options: { ecr: { domain: `${DOMAIN.toUpperCase()}:443`, tokens } } });
  await registry.resolve(WEB, NEVER);
  expect(tried).toEqual(["ecr"]);
});

test("without any credentials images are asked for anonymously", async () => {
  const { tried } = setUp();
  const anonymous = createRegistry({
    engine: {
      imageId: () => Promise.resolve(undefined),
      resolveDigest: (_text, with_) => {
        tried.push(with_?.username);
        return Promise.resolve(DIGEST);
      },
      pull: () => Promise.resolve(),
    },
    clock: { now: () => 0, sleep: () => Promise.resolve() },
    log: { debug() {}, info() {}, warn() {}, error() {}, fatal() {} },
  });
  await anonymous.resolve(WEB, NEVER);
  expect(tried).toEqual([undefined]);
});

test("a reference that is a digest already is not asked for", async () => {
  const { registry, tried } = setUp();
  expect(await registry.resolve(image(`${DOMAIN}/web@${DIGEST}`), NEVER)).toBe(DIGEST);
  expect(tried).toEqual([]);
});

test("an image that is here is not pulled, and needs no credential", async () => {
  const { registry, tried } = setUp({ local: [`${DOMAIN}/web@${DIGEST}`] });
  await registry.pull(WEB, DIGEST, NEVER);
  expect(tried).toEqual([]);
});

test("a pull is told from start to end, with a line every other second in between", async () => {
  const { registry, pulled, logged } = setUp();
  await registry.pull(WEB, DIGEST, NEVER);
  expect(pulled).toEqual([`${DOMAIN}/web ${DIGEST}`]);
  expect(logged).toEqual(["pull started", "pull in progress", "pull in progress", "pull finished"]);
});

test("a tag is pulled as a tag", async () => {
  const { registry, pulled } = setUp();
  await registry.pull(image("nginx:1.27"), "1.27", NEVER);
  expect(pulled).toEqual(["nginx 1.27"]);
});

test("an image that Docker says it pulled but does not have is a failure", async () => {
  const { registry } = setUp({
    options: {
      engine: {
        imageId: () => Promise.resolve(undefined),
        resolveDigest: () => Promise.resolve(DIGEST),
        pull: () => Promise.resolve(),
      },
    },
  });
  await expect(registry.pull(WEB, DIGEST, NEVER)).rejects.toMatchObject({ code: "docker" });
});

test("what a listener throws stops the pull and is not tried again", async () => {
  const { registry, tried, pulled } = setUp();
  const full = new DeployerError("disk_full", "no room");
  const onProgress = ({ downloadedBytes }: PullProgress) => {
    if (downloadedBytes >= 300) throw full;
  };
  await expect(registry.pull(WEB, DIGEST, NEVER, { onProgress })).rejects.toBe(full);
  expect(tried).toEqual(["ecr"]);
  expect(pulled).toEqual([]);
});

test("a platform is passed on to Docker", async () => {
  const platforms: (string | undefined)[] = [];
  const { registry } = setUp({
    options: {
      engine: {
        imageId: () => Promise.resolve(platforms.length === 0 ? undefined : "sha256:id"),
        resolveDigest: () => Promise.resolve(DIGEST),
        pull: async (_name, _digest, _credential, _progress, _signal, platform) =>
          void platforms.push(platform),
      },
    },
  });
  await registry.pull(WEB, DIGEST, NEVER, { platform: "linux/arm64" });
  expect(platforms).toEqual(["linux/arm64"]);
});
