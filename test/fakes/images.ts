import { type ImageReference, parseImage } from "../../src/core/image.ts";
import type { Image } from "../../src/core/engine.ts";
import type { Life } from "./life.ts";

/** The digest a tag has in the fake registry unless `world.tags` says otherwise. */
export function digestOf(tag: string): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(tag).digest("hex")}`;
}

/** The images of the fake host and of its registry. */
export class FakeImages {
  /** Digest by `name:tag`, for tags that moved in the registry. */
  readonly tags = new Map<string, string>();
  /** Local images: id by `name:tag` or `name@digest`. */
  readonly local = new Map<string, string>();
  /** By `name:tag`. */
  readonly lives = new Map<string, Life>();

  digest(tag: string): string {
    return this.tags.get(tag) ?? digestOf(tag);
  }

  /** By a name, or an id. */
  idOf(text: string): string | undefined {
    if ([...this.local.values()].includes(text)) return text;
    const image = parseImage(text);
    if (image?.digest !== undefined) return this.local.get(`${image.name}@${image.digest}`);
    return this.local.get(text) ?? (image && this.local.get(nameAndTag(image)));
  }

  /** How containers with this text live; under another name they live as under the one of the registry. */
  lifeOf(text: string, id: string): Life {
    const named = this.lives.get(text.split("@")[0] ?? "");
    return named ?? [...this.lives].find(([tag]) => imageIdOf(this.digest(tag)) === id)?.[1] ?? {};
  }

  image(id: string): Image {
    const names = this.#namesOf(id);
    const life = this.lifeOf(names.find((name) => this.lives.has(name)) ?? "", id);
    return {
      id,
      os: "linux",
      architecture: life.architecture ?? "amd64",
      hasVolumes: life.anonymousVolume ?? false,
      tags: names.filter((name) => !name.includes("@")),
      digests: names.filter((name) => name.includes("@")),
    };
  }

  all(): Image[] {
    return [...new Set(this.local.values())].map((id) => this.image(id));
  }

  /** As `docker pull` of `name@digest`, or of `name:tag`, which sets the tag too. */
  pull(image: ImageReference, tagOrDigest: string): void {
    const isDigest = tagOrDigest.startsWith("sha256:");
    const digest = isDigest ? tagOrDigest : this.digest(nameAndTag(image));
    this.local.set(`${image.name}@${digest}`, imageIdOf(digest));
    if (!isDigest) this.local.set(`${image.name}:${tagOrDigest}`, imageIdOf(digest));
  }

  /**
   * As `docker rmi`: with the last tag of a repository its digests go too, and what a container uses keeps its last name
   * (https://github.com/moby/moby/blob/v20.10.24/daemon/images/image_delete.go).
   */
  remove(text: string, isUsed: (id: string) => boolean): "removed" | "in use" | "gone" {
    const id = this.idOf(text);
    if (id === undefined) return "gone";
    const leaving = text === id ? this.#namesOf(id) : this.#leavingWith(text, id);
    if (leaving.length === this.#namesOf(id).length && isUsed(id)) return "in use";
    for (const name of leaving) this.local.delete(name);
    return "removed";
  }

  #leavingWith(text: string, id: string): string[] {
    const name = [text, `${text}:latest`].find((each) => this.local.has(each)) ?? withoutTag(text);
    if (name.includes("@")) return [name];
    const sameRepository = this.#namesOf(id).filter((each) => repositoryOf(each) === repositoryOf(name));
    const others = sameRepository.filter((each) => each !== name);
    return others.every((each) => each.includes("@")) ? sameRepository : [name];
  }

  #namesOf(id: string): string[] {
    return [...this.local].filter(([, each]) => each === id).map(([name]) => name);
  }
}

export function imageIdOf(digest: string): string {
  return `id of ${digest}`;
}

export function nameAndTag(image: ImageReference): string {
  return `${image.name}:${image.tag ?? "latest"}`;
}

function withoutTag(text: string): string {
  const image = parseImage(text);
  return image?.digest === undefined ? text : `${image.name}@${image.digest}`;
}

function repositoryOf(name: string): string {
  return parseImage(name)?.name ?? name;
}
