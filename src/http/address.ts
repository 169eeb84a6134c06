import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

import { DeployerError } from "../core/errors.ts";

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** Of an entry in X-Forwarded-For; some proxies name the port too. */
const WITH_PORT = /^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/;
const GROUPS = 8;
const GROUPS_OF_A_NETWORK = 4;

/** Whose X-Forwarded-For is believed. */
export type Proxies = Pick<BlockList, "check">;

/**
 * Proxies by address or network: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`. Errors: `config`, naming the one that is none.
 */
export function readProxies(list: readonly string[]): Proxies {
  const proxies = new BlockList();
  for (const text of list) {
    const [address = "", prefix, ...rest] = text.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    const most = family === "ipv4" ? 32 : 128;
    const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (isIP(address) === 0 || address.includes("%") || !(bits <= most) || rest.length > 0) {
      throw new DeployerError(
        "config",
        `${JSON.stringify(text)} is neither an address nor a network (10.0.0.0/8)`,
      );
    }
    proxies.addSubnet(address, bits, family);
  }
  return proxies;
}

/**
 * Where a request comes from: the peer, or, when that is one of the proxies, the rightmost address of X-Forwarded-For that
 * is none of them. Left of it stands what anybody may have written. An entry that is no address ends the search.
 * @param peer may be `""`
 */
export function originOf(peer: string, forwardedFor: string | null, proxies: Proxies): string {
  let origin = plainAddress(peer);
  const hops = forwardedFor === null ? [] : forwardedFor.split(",");
  while (isIP(origin) !== 0 && proxies.check(origin, isIPv4(origin) ? "ipv4" : "ipv6")) {
    const hop = hops.pop()?.trim();
    const [, v6, v4] = WITH_PORT.exec(hop ?? "") ?? [];
    const next = plainAddress(v6 ?? v4 ?? hop ?? "");
    if (isIP(next) === 0) break;
    origin = next;
  }
  return origin;
}

/** What one customer of a provider has: an address of IPv4, a /64 of IPv6. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = "", right] = address.split("%", 1)[0]?.split("::") ?? [];
  const before = left === "" ? [] : left.split(":");
  const after = right === undefined || right === "" ? [] : right.split(":");
  const zeros = Array.from({ length: Math.max(0, GROUPS - before.length - after.length) }, () => "0");
  const groups = [...before, ...zeros, ...after].slice(0, GROUPS_OF_A_NETWORK);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "").toLowerCase()).join(":")}::/64`;
}

/** A socket for both families gives IPv4 as IPv6 (RFC 4291, 2.5.5.2). */
function plainAddress(address: string): string {
  return IPV4_MAPPED.exec(address)?.[1] ?? address;
}
