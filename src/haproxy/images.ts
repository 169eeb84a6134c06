import { readFileSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import type { Engine, Registry } from "../core/engine.ts";
import { publicMessage } from "../core/errors.ts";
import { parseImage } from "../core/image.ts";
import type { Log } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { askForImage, bringImage, type EdgeImage } from "./image.ts";

const NOTE_FILE = "images.json";
const Note = z.array(z.string());

/** HAProxy's images on this host, as far as we brought them: whatever was here before, or has a tag, is somebody else's. */
export type EdgeImages = {
  /** Errors: `edge`, when an image is neither here nor in its registry. */
  assertToBeHad(image: EdgeImage): Promise<void>;
  /** Brings an image to this host. What was not there is noted first, so that it goes again also after a kill. Errors: `edge`. */
  bring(image: EdgeImage): Promise<void>;
  /** Removes what was brought and is none of these. What a container uses, stopped or not, stays for another time. It never throws. */
  removeAllBut(needed: readonly EdgeImage[]): Promise<void>;
};

export function createEdgeImages({
  engine,
  registry,
  folder,
  log,
}: {
  engine: Pick<Engine, "image" | "imageId" | "removeImage">;
  registry: Pick<Registry, "pull" | "assertThere">;
  /** Of this program alone. */
  folder: string;
  log: Log;
}): EdgeImages {
  const path = join(folder, NOTE_FILE);

  function noted(): string[] {
    try {
      return Note.parse(JSON.parse(readFileSync(path, "utf8")));
    } catch {
      // None yet; of one that cannot be read nothing is removed.
      return [];
    }
  }

  const note = (names: readonly string[]): void =>
    writeFileAtomically(path, `${JSON.stringify(names, undefined, 2)}\n`);

  /** @returns whether it is gone */
  async function remove(name: string): Promise<boolean> {
    const image = await engine.image(name);
    if (image === undefined) return true;
    if (image.tags.length > 0 || (await engine.removeImage(name)) === "in use") return false;
    log.info("image removed: the edge does not need it any more", { image: name });
    return true;
  }

  return {
    async assertToBeHad(image) {
      if ((await engine.imageId(nameOf(image))) === undefined) await askForImage(registry, image);
    },
    async bring(image) {
      const name = nameOf(image);
      const isNew = !noted().includes(name) && (await engine.imageId(name)) === undefined;
      if (isNew) note([...noted(), name]);
      await bringImage(registry, image);
    },
    async removeAllBut(needed) {
      const names = new Set(needed.map(nameOf));
      try {
        for (const name of noted().filter((each) => !names.has(each)))
          if (await remove(name)) note(noted().filter((each) => each !== name));
      } catch (error) {
        log.warn("an image that the edge does not need any more could not be removed", {
          reason: publicMessage(error),
        });
      }
    },
  };
}

/** By which Docker knows what was pulled by its digest. */
function nameOf({ pinned }: EdgeImage): string {
  const { name, digest } = parseImage(pinned) ?? {};
  return digest === undefined ? pinned : `${name}@${digest}`;
}
