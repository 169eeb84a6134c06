import { z } from "zod";

import type { DockerClient } from "../test/support/docker-client.ts";

const Names = z.array(z.string()).nullish();
const ImageList = z.array(z.object({ RepoTags: Names, RepoDigests: Names }));

/** Removes the images of one registry, by their names there: an image that has other names as well stays. */
export async function removeImages(docker: DockerClient, registry: string): Promise<void> {
  for (const name of await imageNames(docker, registry)) {
    // the last tag of an image takes its digests with it
    const reply = await docker.api(`/images/${name}`, { method: "DELETE" });
    if (!reply.ok && reply.status !== 404) throw new Error(`${name} stays: ${await reply.text()}`);
  }
}

async function imageNames(docker: DockerClient, registry: string): Promise<string[]> {
  const images = ImageList.parse(await (await docker.api("/images/json")).json());
  return images
    .flatMap(({ RepoTags, RepoDigests }) => [RepoTags ?? [], RepoDigests ?? []])
    .flat()
    .filter((name) => name.startsWith(`${registry}/`));
}
