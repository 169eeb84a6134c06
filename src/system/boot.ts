import { readFileSync } from "node:fs";

/** Which start of the host this is (random(4)). */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
