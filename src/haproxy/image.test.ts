import { expect, test } from "bun:test";

import { DeployerError } from "../core/errors.ts";
import { parseImage } from "../core/image.ts";
import { bringImage, chooseImage, DEFAULT_IMAGE } from "./image.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OLD = `sha256:${"b".repeat(64)}`;
const registry = {
  asked: [] as string[],
  async resolve(image: { name: string; digest: string | undefined }): Promise<string> {
    this.asked.push(image.name);
    return image.digest ?? DIGEST;
  },
};

test("the image of the program is one by its digest", async () => {
  expect(parseImage(DEFAULT_IMAGE)?.digest).toMatch(/^sha256:/);
  expect(await chooseImage(registry, undefined, [])).toEqual({ asked: DEFAULT_IMAGE, pinned: DEFAULT_IMAGE });
});

test("what a tag means is asked when it is new", async () => {
  expect(await chooseImage(registry, "haproxy:3.2", [{ asked: "haproxy:3.0", pinned: "x" }])).toEqual({
    asked: "haproxy:3.2",
    pinned: `haproxy:3.2@${DIGEST}`,
  });
});

test("a tag that has moved replaces nothing by itself", async () => {
  const known = { asked: "haproxy:3.2", pinned: `haproxy:3.2@${OLD}` };
  registry.asked = [];
  expect(await chooseImage(registry, "haproxy:3.2", [known])).toEqual(known);
  expect(registry.asked).toEqual([]);
});

test("an image that cannot be had is named with its key", async () => {
  const failing = {
    resolve: () => Promise.reject(new DeployerError("image_not_found", "there is no such image")),
    pull: () => Promise.reject(new DeployerError("registry_denied", "the registry refused")),
  };
  const expected = (why: string) => ({
    code: "edge",
    message: `x-deployer.edge.image: haproxy:9 cannot be used for the proxy: ${why}`,
  });
  await expect(chooseImage(failing, "haproxy:9", [])).rejects.toMatchObject(
    expected("there is no such image"),
  );
  const image = { asked: "haproxy:9", pinned: `haproxy:9@${DIGEST}` };
  await expect(bringImage(failing, image)).rejects.toMatchObject(expected("the registry refused"));
  await expect(chooseImage(registry, "Not An Image", [])).rejects.toThrow("this is not the name of an image");
});

test("a registry that is silent is not waited for without end", async () => {
  const silent = {
    pull: (_image: unknown, _digest: string, signal: AbortSignal) =>
      new Promise<void>((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      ),
  };
  await expect(
    bringImage(silent, { asked: "haproxy:9", pinned: `haproxy:9@${DIGEST}` }, 20),
  ).rejects.toMatchObject({
    code: "edge",
    message: "x-deployer.edge.image: haproxy:9 cannot be used for the proxy: it was not had within 0.02 s",
  });
});
