/** `repo:tag` without its digest, which is shown apart. */
export function shortImage(image: string): string {
  return image.split("@", 1)[0] ?? image;
}

/** `sha256:1a2b3c4d5e6f`, as `docker images` shortens. */
export function shortDigest(digest: string | null): string {
  return digest?.slice(0, "sha256:".length + 12) ?? "";
}
