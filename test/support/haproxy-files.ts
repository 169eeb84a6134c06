import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";

import { withDebian13 } from "./debian13.ts";
import { librariesOf } from "./libraries.ts";
import { tar } from "./tar.ts";

/** Root's own, beside the folder of the private Dockers, which are swept; kept from run to run. */
const ARCHIVE = "/var/lib/deployer-service-test-cache/haproxy-3.0.tar";
/** HAProxy 3.0, the LTS of Debian 13, and whose libraries it is linked with. */
const PACKAGES = [
  "haproxy",
  "libc6",
  "libcrypt1",
  "libgcc-s1",
  "libjemalloc2",
  "liblua5.4-0",
  "libopentracing-c-wrapper0t64",
  "libopentracing1",
  "libpcre2-8-0",
  "libssl3t64",
  "libstdc++6",
  "libzstd1",
  "zlib1g",
];
/** The C library loads it by name when a thread ends. */
const LOADED_LATER = ["libgcc_s.so.1"];

/** Whether `fetchHaproxy` has been here. */
export function hasHaproxy(): boolean {
  return existsSync(ARCHIVE);
}

/** Keeps program and libraries of HAProxy on this machine, from Debian 13; as root. */
export async function fetchHaproxy(): Promise<void> {
  await withDebian13(PACKAGES, async (unpacked) => {
    const program = join(unpacked, "usr/sbin/haproxy");
    const archive = tar([
      ...(await librariesOf(program, unpacked, LOADED_LATER)),
      { path: "usr/local/sbin/haproxy", mode: 0o755, content: await Bun.file(program).bytes() },
    ]);
    mkdirSync(dirname(ARCHIVE), { recursive: true, mode: 0o700 });
    const half = `${ARCHIVE}.${process.pid}`;
    await Bun.write(half, archive);
    renameSync(half, ARCHIVE);
  });
}

/** The files as a layer's archive. Throws when they are not there: every run of the tests fetches them at its start. */
export async function haproxyArchive(): Promise<Uint8Array<ArrayBuffer>> {
  if (!hasHaproxy()) throw new Error(`${ARCHIVE} is missing: npm test, as root, fetches it`);
  return await Bun.file(ARCHIVE).bytes();
}
