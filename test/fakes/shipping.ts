import { commitOf } from "../../src/core/commit.ts";
import { type EndStatus, end } from "../../src/core/deployment.ts";
import { fetchImage } from "../../src/core/fetch-image.ts";
import { parseImage, pinnedText } from "../../src/core/image.ts";
import { numberOf } from "../../src/core/versions.ts";
import { running } from "./deployment.ts";
import { digestOf, imageIdOf } from "./images.ts";
import type { World } from "./world.ts";

/** A deployment as far as its images go: it begins, and brings `text` to the host. */
export async function bring(world: World, id: string, text: string, services = ["web"]): Promise<void> {
  const image = parseImage(text);
  if (image === undefined) throw new Error(`bad image in a test: ${text}`);
  world.store.insert(running(services, { id, image: text, createdAt: world.clock.now() }));
  await fetchImage(id, image, digestOf(text), undefined, world, new AbortController().signal);
}

/** It is committed for its services. */
export function commit(
  world: World,
  id: string,
  text: string,
  services = ["web"],
  configHash = "config",
): void {
  const image = parseImage(text);
  if (image === undefined) throw new Error(`bad image in a test: ${text}`);
  const digest = digestOf(text);
  const deployment = running(services, { id });
  world.store.commit(
    services.map((service) =>
      commitOf(
        deployment,
        {
          service,
          imageText: pinnedText(image, digest),
          fileImage: text,
          digest,
          imageId: imageIdOf(digest),
          recorded: `recorded by ${id}`,
          configHash,
          number: numberOf({ version: undefined }, world.store.versions(service)),
        },
        [],
        world.clock,
      ),
    ),
  );
}

export function finish(world: World, id: string, status: EndStatus = "succeeded"): void {
  const found = world.store.find(id);
  if (found === undefined) throw new Error(`no deployment ${id}`);
  const outcome = { status, digests: new Map(), diagnoses: [], reason: "", code: undefined, changed: true };
  world.store.update(end(found, outcome, world.clock.now()));
}

/** All of it. */
export async function ship(world: World, id: string, text: string, services = ["web"]): Promise<void> {
  await bring(world, id, text, services);
  commit(world, id, text, services);
  finish(world, id);
}
