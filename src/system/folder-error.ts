/** Why a folder of ours cannot be used, and what it takes. */
export function whyUnusable(cause: unknown): string {
  switch (codeOf(cause)) {
    case "EACCES":
    case "EPERM":
      return "permission denied; it must belong to the user who runs the daemon";
    case "EROFS":
      return "the file system is read-only";
    case "ENOTDIR":
    case "EEXIST":
      return "not a folder";
    case "ENOSPC":
      return "no space left on the device";
    default:
      return cause instanceof Error ? cause.message : "unknown error";
  }
}

/** The code of a system error, `ENOENT`. */
export function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
