import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import { parseImage } from "../core/image.ts";
import type { Engine, Image } from "../core/engine.ts";
import { parseAnswer, refused } from "./answer.ts";
import type { Transport } from "./transport.ts";

const INSPECT_DEADLINE_MS = 10_000;
const LIST_DEADLINE_MS = 30_000;
const TAG_DEADLINE_MS = 10_000;
/** The files of all its layers are deleted. */
const REMOVE_DEADLINE_MS = 120_000;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;
/** What engines before 25 call an image without a name. */
const NO_NAME = /^<none>[:@]<none>$/;

const names = {
  Id: z.string().min(1),
  RepoTags: z.array(z.string()).nullish(),
  RepoDigests: z.array(z.string()).nullish(),
};
const list = z.array(z.object(names));
const inspection = z.object({
  ...names,
  Os: z.string().default(""),
  Architecture: z.string().default(""),
  Config: z.object({ Volumes: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});

/**
 * Images on this host. With the containerd image store the id of an image is the digest of its manifest or index, not of
 * its configuration; a container's `imageId` is then of the same kind, so that the two still compare.
 */
export function createLocalImages(
  transport: Transport,
): Pick<Engine, "imageId" | "image" | "images" | "tag" | "removeImage"> {
  async function image(text: string): Promise<Image | undefined> {
    const path = `/images/${imagePath(text)}/json`;
    const answer = await transport.send({ method: "GET", path, deadlineMs: INSPECT_DEADLINE_MS });
    if (answer.status === 404) return undefined;
    const { Os, Architecture, Config, ...found } = parseAnswer(answer, inspection, `inspect image ${text}`);
    return {
      ...namesOf(found),
      os: Os,
      architecture: Architecture,
      hasVolumes: Object.keys(Config?.Volumes ?? {}).length > 0,
    };
  }

  return {
    image,
    imageId: async (text) => (await image(text))?.id,

    async images() {
      const answer = await transport.send({
        method: "GET",
        path: "/images/json",
        deadlineMs: LIST_DEADLINE_MS,
      });
      return parseAnswer(answer, list, "list the images").map(namesOf);
    },

    async tag(id, repository, tag) {
      const answer = await transport.send({
        method: "POST",
        path: `/images/${imagePath(id)}/tag`,
        query: { repo: repository, tag },
        deadlineMs: TAG_DEADLINE_MS,
      });
      if (answer.status !== 201) throw refused(answer, `tag image ${id} as ${repository}:${tag}`);
    },

    async removeImage(name) {
      const answer = await transport.send({
        method: "DELETE",
        path: `/images/${imagePath(name)}`,
        query: { force: "false", noprune: "false" },
        deadlineMs: REMOVE_DEADLINE_MS,
      });
      if (answer.status === 200) return "removed";
      if (answer.status === 404) return "gone";
      if (answer.status === 409) return "in use";
      throw refused(answer, `remove image ${name}`);
    },
  };
}

/** A reference as Docker wants it in a path, slashes and all; nothing that is not a reference or an id may get there. */
export function imagePath(text: string): string {
  if (parseImage(text) === undefined && !IMAGE_ID.test(text)) {
    throw new DeployerError("invalid", `${JSON.stringify(text)} is not an image reference`);
  }
  return text;
}

function namesOf({
  Id,
  RepoTags,
  RepoDigests,
}: z.infer<typeof list>[number]): Pick<Image, "id" | "tags" | "digests"> {
  return {
    id: Id,
    tags: (RepoTags ?? []).filter((name) => !NO_NAME.test(name)),
    digests: (RepoDigests ?? []).filter((name) => !NO_NAME.test(name)),
  };
}
