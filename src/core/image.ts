/**
 * An image reference as Docker's own grammar has it (distribution/reference): `[host[:port]/]path[:tag][@digest]`.
 * `text` keeps what the author wrote; the other fields are normalised, so that two spellings of one repository compare equal.
 */
export type ImageReference = {
  /** As written, without tag and digest: `frontend`, `127.0.0.1:5000/web`. */
  name: string;
  /** `docker.io` unless the name says otherwise; lower case; without the port that the scheme implies. */
  registry: string;
  /** Path within the registry; official images carry their `library/`. */
  path: string;
  /** Undefined when neither tag nor digest was written, which means `latest`. */
  tag: string | undefined;
  /** `sha256:<64 hex>`. */
  digest: string | undefined;
};

export const DEFAULT_REGISTRY = "docker.io";

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const MAX_LENGTH = 512;
const MAX_NAME_LENGTH = 255;
const DOCKER_HUB_ALIASES = new Set(["index.docker.io", "registry-1.docker.io"]);

/** Undefined for anything that is not an image reference. */
export function parseImage(text: string): ImageReference | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const [beforeDigest = "", digest, ...moreDigests] = text.split("@");
  if (moreDigests.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;

  const colon = beforeDigest.lastIndexOf(":");
  const hasTag = colon > beforeDigest.lastIndexOf("/");
  const name = hasTag ? beforeDigest.slice(0, colon) : beforeDigest;
  const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined;
  if (name.length > MAX_NAME_LENGTH || (tag !== undefined && !TAG.test(tag))) return undefined;

  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const hasHost =
    first.includes(".") || first.includes(":") || first === "localhost" || first !== first.toLowerCase();
  const host = hasHost ? first : DEFAULT_REGISTRY;
  const path = hasHost ? name.slice(slash + 1) : name;
  if (!HOST.test(host) || !PATH.test(path)) return undefined;

  const registry = normaliseHost(host);
  const isOfficial = registry === DEFAULT_REGISTRY && !path.includes("/");
  return { name, registry, path: isOfficial ? `library/${path}` : path, tag, digest };
}

/** `docker.io/library/nginx`: the same text for every spelling of one repository. */
export function repositoryOf({ registry, path }: ImageReference): string {
  return `${registry}/${path}`;
}

export function sameRepository(a: ImageReference, b: ImageReference): boolean {
  return a.registry === b.registry && a.path === b.path;
}

/** What to ask a registry for: the digest if one was written, else the tag, else `latest`. */
export function tagOrDigest(image: ImageReference): string {
  return image.digest ?? image.tag ?? "latest";
}

/** The text a container is created with: the author's name and tag, and the digest that was decided on. */
export function pinnedText(image: ImageReference, digest: string): string {
  const tag = image.tag ?? (image.digest === undefined ? "latest" : undefined);
  return `${image.name}${tag === undefined ? "" : `:${tag}`}@${digest}`;
}

function normaliseHost(host: string): string {
  const lower = host.toLowerCase().replace(/:443$/, "");
  return DOCKER_HUB_ALIASES.has(lower) ? DEFAULT_REGISTRY : lower;
}
