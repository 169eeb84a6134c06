import { readFileSync } from "node:fs";

import { attempt, run } from "./run.ts";

/** Whether the machine has a route into `10.<secondOctet>.0.0/16`. */
export function hasRouteTo(secondOctet: number): boolean {
  const rows = readFileSync("/proc/net/route", "utf8").trim().split("\n").slice(1);
  return rows.map((row) => row.split("\t")[1] ?? "").some((destination) => covers(destination, secondOctet));
}

export async function addBridge(name: string, address: string): Promise<void> {
  await run(["busybox", "ip", "link", "add", "name", name, "type", "bridge"]);
  await run(["busybox", "ip", "addr", "add", address, "dev", name]);
  await run(["busybox", "ip", "link", "set", name, "up"]);
}

/** Removes `own` and the bridges that dockerd made for networks in `10.<secondOctet>.0.0/16`; it leaves them when it ends. */
export async function removeBridges(own: string, secondOctet: number): Promise<void> {
  const { stdout } = await run(["busybox", "ip", "-o", "addr", "show"]);
  const inRange = new RegExp(`^\\d+: (br-[0-9a-f]{12}) +inet 10\\.${secondOctet}\\.`);
  const names = stdout.split("\n").map((line) => inRange.exec(line)?.[1]);
  for (const name of [own, ...names]) {
    if (name !== undefined) await attempt(["busybox", "ip", "link", "del", name]);
  }
}

/** `/proc/net/route` holds addresses as little-endian hexadecimal: 10.200.0.0 is `0000C80A`, all of 10 is `0000000A`. */
function covers(destination: string, secondOctet: number): boolean {
  const second = secondOctet.toString(16).padStart(2, "0").toUpperCase();
  return destination.endsWith(`${second}0A`) || destination === "0000000A";
}
