import type { PortRange } from "../core/compose.ts";
import type { ResolvedService } from "./resolved-service.ts";

/** The TCP ports of the host that a service publishes: `80`, or `8000-8010`, of which Docker takes a free one. */
export function hostPorts({ ports }: ResolvedService): PortRange[] {
  return (ports ?? []).flatMap(({ published = "", protocol = "tcp" }) => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(String(published)) ?? [];
    const range = { from: Number(from), to: Number(to) };
    return protocol === "tcp" && range.from > 0 ? [range] : [];
  });
}
