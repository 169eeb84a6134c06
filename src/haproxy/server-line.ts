import type { Server } from "../core/edge.ts";
import type { PlacedDirection, PlacedServer } from "./state.ts";
import { word } from "./word.ts";

/**
 * How the proxy watches a server that serves: a connection a second, ten of them a second while that fails, and a failed
 * request counts as well. The same in the configuration and for `add server`, which does not read `default-server`.
 */
const CHECKED =
  "check inter 1s fastinter 100ms downinter 100ms rise 1 fall 2 observe layer4 error-limit 3 on-error mark-down";
/** Its requests come when nobody else can be reached: it is better to try. */
const STANDBY = "backup";
const STANDBY_SUFFIX = ".standby";

/** A server as the proxy knows it. */
export type ServerLine = {
  name: string;
  /** IPv4. */
  address: string;
  port: number;
  options: string;
  isStandby: boolean;
};

/** Those of a service, as they are in the configuration and at run time. */
export function serverLines({ serving, standby }: PlacedDirection): ServerLine[] {
  return [...serving.map(servingLine), ...standby.map(standbyLine)];
}

export function servingLine(server: PlacedServer): ServerLine {
  return { ...placeOf(server), name: nameOf(server), options: CHECKED, isStandby: false };
}

/** A server of its own, since a server cannot become a backup at run time. */
function standbyLine(server: PlacedServer): ServerLine {
  return { ...placeOf(server), name: nameOf(server) + STANDBY_SUFFIX, options: STANDBY, isStandby: true };
}

/** Container and port of a server of ours; undefined for one that is not. */
export function parseServerName(name: string): (Server & { isStandby: boolean }) | undefined {
  const [, container, port, standby] = /^(.+?)\.(\d+)(\.standby)?$/.exec(name) ?? [];
  if (container === undefined) return undefined;
  return { container, port: Number(port), isStandby: standby !== undefined };
}

function nameOf({ container, port }: Server): string {
  return `${word(container, /^[A-Za-z0-9_-]+$/)}.${port}`;
}

function placeOf({ address, port }: PlacedServer): Pick<ServerLine, "address" | "port"> {
  return { address: word(address, /^[0-9.]+$/), port: Number(word(String(port), /^\d+$/)) };
}
