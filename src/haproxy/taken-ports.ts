import { readFileSync } from "node:fs";

import type { Engine } from "../core/engine.ts";
import { DeployerError } from "../core/errors.ts";
import type { EdgePort } from "./proxy.ts";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const LISTEN = "0A";

/** Text of the kernel's tables of TCP sockets. */
export type ReadSockets = () => string[];

/**
 * Throws an `edge` error when something listens on one of the ports; it is not tried by listening, for which a port below
 * 1024 needs root, and in which the proxy would be in our way.
 */
export async function assertFree(
  ports: readonly EdgePort[],
  engine: Pick<Engine, "publishers">,
  readSockets: ReadSockets = sockets,
): Promise<void> {
  const taken = listening(readSockets());
  for (const { key, port } of ports) {
    if (!taken.has(port)) continue;
    throw new DeployerError(
      "edge",
      `x-deployer.edge.${key}: port ${port} of this host is taken by ${await holder(port, engine)}`,
    );
  }
}

async function holder(port: number, engine: Pick<Engine, "publishers">): Promise<string> {
  const [found] = await engine.publishers(port);
  if (found === undefined)
    return `another program (ss -ltnp 'sport = :${port}' names it); free it, or name another`;
  const { container, project, service } = found;
  const who = service === "" ? `container ${container}` : `service "${service}" of project "${project}"`;
  return `${who}, which publishes it: take it out of its ports and recreate it, or name another`;
}

/** Of `  0: 00000000:0050 00000000:0000 0A …` the local port, in hexadecimal, where the state says that it listens. */
function listening(tables: readonly string[]): Set<number> {
  const rows = tables.flatMap((table) => table.split("\n").slice(1)).map((row) => row.trim().split(/\s+/));
  return new Set(
    rows
      .filter(([, , , state]) => state === LISTEN)
      .map(([, local]) => Number.parseInt(local?.split(":")[1] ?? "", 16)),
  );
}

function sockets(): string[] {
  return TABLES.map((table) => {
    try {
      return readFileSync(table, "utf8");
    } catch {
      // A host without IPv6.
      return "";
    }
  });
}
