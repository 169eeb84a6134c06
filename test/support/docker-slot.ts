import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { addBridge, hasRouteTo, removeBridges } from "./docker-network.ts";
import { removeRemains } from "./docker-remains.ts";

/** Everything by which one private Docker is told from all others, its own until `release`. */
export type DockerSlot = {
  /** An empty folder. */
  dir: string;
  /** A bridge with an address, up. */
  bridge: string;
  /** Range of the networks that Compose creates. */
  pool: string;
  /** Parent of every container's control group. */
  cgroupParent: string;
  /** Removes all of it; whatever still runs in it is killed. */
  release(): Promise<void>;
};

const SLOTS = 48;
const FIRST_SECOND_OCTET = 200;
const BRIDGE_PREFIX = "dstest";
/** Root's own, so its names can be foreseeable; short, because socket paths end at 107 characters. */
const FOLDER = "/var/lib/deployer-service-test";

/**
 * Takes the first of 48 slots, each with a range `10.200.0.0/16` … of its own, that neither another private Docker nor a
 * route of this machine uses. What killed test runs have left in any slot is removed first.
 */
export async function claimSlot(): Promise<DockerSlot> {
  await sweep();
  for (let number = 0; number < SLOTS; number++) {
    const lock = lockSlot(number);
    if (lock === undefined) continue;
    const slot = await prepare(number, lock);
    if (slot !== undefined) return slot;
    lock.stop(true);
  }
  throw new Error(
    `all ${SLOTS} address ranges 10.${FIRST_SECOND_OCTET}.0.0/16 and up are in use on this machine`,
  );
}

type Lock = { stop(force: boolean): void };

async function prepare(number: number, lock: Lock): Promise<DockerSlot | undefined> {
  const { dir, bridge, octet } = namesOf(number);
  if (existsSync(dir) || hasRouteTo(octet)) return undefined;
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  await addBridge(bridge, `10.${octet}.255.1/24`);
  return {
    dir,
    bridge,
    pool: `10.${octet}.0.0/17`,
    cgroupParent: `/${bridge}`,
    async release() {
      await clear(number);
      removeIfEmpty(FOLDER);
      lock.stop(true);
    },
  };
}

/** A folder without an owner is left over, unless its dockerd is still shutting down. */
async function sweep(): Promise<void> {
  if (!existsSync(FOLDER)) return;
  for (const name of readdirSync(FOLDER)) {
    const number = Number(name);
    const lock = lockSlot(number);
    if (lock === undefined) continue;
    try {
      if (!hasDockerd(namesOf(number).bridge)) await clear(number);
    } finally {
      lock.stop(true);
    }
  }
}

async function clear(number: number): Promise<void> {
  const { dir, bridge, octet } = namesOf(number);
  await removeRemains(dir, `/${bridge}`);
  await removeBridges(bridge, octet);
  rmSync(dir, { recursive: true, force: true });
}

function namesOf(number: number): { dir: string; bridge: string; octet: number } {
  return {
    dir: join(FOLDER, String(number)),
    bridge: `${BRIDGE_PREFIX}${number}`,
    octet: FIRST_SECOND_OCTET + number,
  };
}

/** A name in the abstract socket namespace is a lock that cannot outlive its owner. */
function lockSlot(number: number): Lock | undefined {
  try {
    return Bun.listen({ unix: `\0deployer-service-test-${number}`, socket: { data() {} } });
  } catch {
    return undefined;
  }
}

function hasDockerd(bridge: string): boolean {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`--bridge=${bridge}\0`);
      } catch {
        return false;
      }
    });
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // another private Docker lives in it
  }
}
