import { DeployerError } from "../core/errors.ts";

/** Why a database cannot be used, with what to do: history is not to be given up for a disk that is full. */
export function refusal(path: string, cause: unknown): DeployerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new DeployerError("config", `${path} cannot be used: ${why}; ${whatToDo(codeOf(cause))}`, { cause });
}

function whatToDo(code: string): string {
  if (code === "SQLITE_FULL") return "free some space on its disk, nothing is lost";
  if (code.startsWith("SQLITE_IOERR"))
    return "its disk is full or failing: free some space, or see what the kernel says (dmesg)";
  if (/^SQLITE_(?:CANTOPEN|PERM|READONLY|AUTH)/.test(code))
    return "it and its folder must belong to the user who runs the daemon, and be writable";
  return "put a backup in its place, or move it away to start without history (services are adopted as they run)";
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause ? String(cause.code) : "";
}
