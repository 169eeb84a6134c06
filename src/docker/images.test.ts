import { expect, test } from "bun:test";

import { Secret } from "../core/secret.ts";
import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";
import { createImages } from "./images.ts";
import { createTransport } from "./transport.ts";

const DIGEST = `sha256:${"3".repeat(64)}`;
const NEVER = new AbortController().signal;
const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

test("a digest is asked for through Docker, with the credential", async () => {
  await using fake = fakeEngine(() =>
    Response.json({ Descriptor: { mediaType: "x", digest: DIGEST, size: 739 }, Platforms: [] }),
  );
  const credential = { username: "AWS", password: new Secret("pw"), server: "r.example" };
  const engine = createEngine({ host: fake.host, clock });
  expect(await engine.resolveDigest("r.example/team/web:v1", credential, NEVER)).toBe(DIGEST);
  expect(fake.requests[1]).toBe("GET /v1.41/distribution/r.example/team/web:v1/json");
  expect(fake.headers[1]?.has("x-registry-auth")).toBe(true);
});

test("a digest that the registry refuses, lacks or mangles is an error of its kind", async () => {
  const answers = [
    Response.json({ message: "manifest unknown: manifest unknown" }, { status: 404 }),
    Response.json({ message: "unauthorized: authentication required" }, { status: 401 }),
    Response.json({ Descriptor: { digest: "latest" } }),
  ];
  await using fake = fakeEngine(() => answers.shift() ?? Response.error());
  const engine = createEngine({ host: fake.host, clock });
  const resolve = () => engine.resolveDigest("r.example/web:v1", undefined, NEVER);
  await expect(resolve()).rejects.toMatchObject({ code: "image_not_found" });
  await expect(resolve()).rejects.toMatchObject({ code: "registry_denied" });
  await expect(resolve()).rejects.toMatchObject({ code: "docker" });
});

test("a registry that keeps Docker waiting is unavailable, not Docker", async () => {
  await using fake = fakeEngine(() => new Promise<Response>(() => undefined));
  const images = createImages(createTransport(fake.host), clock, 50);
  await expect(images.resolveDigest("r.example/web:v1", undefined, NEVER)).rejects.toMatchObject({
    code: "registry_unavailable",
    message: "the registry of r.example/web:v1 did not answer within 0.05 s",
  });
});
