import type { Database } from "bun:sqlite";

import type { BroughtImage, Store } from "../core/store.ts";

type BroughtImages = Pick<Store, "claimImages" | "noteImage" | "broughtImages" | "forgetImage">;

/** The part of the store that knows which images are on this host because of us. */
export function createBroughtImages(database: Database): BroughtImages {
  const claim = database.query("UPDATE brought_images SET deployment = $deployment WHERE digest = $digest");
  const note = database.query(
    "INSERT OR IGNORE INTO brought_images (repository, digest, deployment) VALUES ($repository, $digest, $deployment)",
  );
  const select = database.query<BroughtImage, []>(
    "SELECT repository, digest, deployment FROM brought_images ORDER BY repository, digest",
  );
  const forget = database.query(
    "DELETE FROM brought_images WHERE repository = $repository AND digest = $digest AND deployment = $deployment",
  );
  return {
    claimImages: (digest, deployment) => void claim.run({ digest, deployment }),
    noteImage: (image) => void note.run(image),
    broughtImages: () => select.all(),
    forgetImage: (image) => void forget.run(image),
  };
}
