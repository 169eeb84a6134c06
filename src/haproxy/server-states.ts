import type { ServerState } from "../core/edge.ts";
import type { ServerStat } from "./stat.ts";
import type { PlacedDirection } from "./state.ts";

/** A container that was taken off and is a standby now is two servers of the proxy, and one here. */
export function statesOf(known: readonly ServerStat[], { standby }: PlacedDirection): ServerState[] {
  const states = new Map<string, ServerState>();
  for (const { container, port, address, sessions, ...server } of known) {
    const key = `${container}.${port}`;
    const isStandby = standby.some((one) => one.container === container && one.port === port);
    const all = sessions + (states.get(key)?.sessions ?? 0);
    states.set(key, {
      container,
      port,
      address,
      sessions: all,
      state: isStandby ? "standby" : stateOf(server),
    });
  }
  return [...states.values()];
}

function stateOf({ status }: Pick<ServerStat, "status">): ServerState["state"] {
  if (status.startsWith("DOWN")) return "down";
  return status.startsWith("DRAIN") || status.startsWith("MAINT") ? "draining" : "serving";
}
