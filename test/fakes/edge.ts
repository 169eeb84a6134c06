import type { EdgeSettings } from "../../src/core/edge-settings.ts";
import type { Direction, Edge, Frontage, Server } from "../../src/core/edge.ts";
import { DeployerError } from "../../src/core/errors.ts";
import type { FakeHost } from "./host.ts";

/** A proxy in front, in memory. It reaches what runs, and says no of what does not. */
export function fakeEdge(host: FakeHost): Edge {
  let routed = new Set<string>();
  const directions = new Map<string, Direction>();
  const held = new Set<string>();
  let frontage: Frontage | undefined;

  function assertReached(servers: readonly Server[], enough: "all" | "one"): void {
    const missing = servers.filter(({ container }) => host.existing(container).state !== "running");
    if (missing.length > 0 && (enough === "all" || missing.length === servers.length))
      throw new DeployerError("edge", `the edge cannot reach ${missing[0]?.container}`);
  }

  return {
    async apply(wanted, running = new Map()) {
      if (wanted === undefined && frontage === undefined) return;
      await host.act(`apply ${[...(wanted?.routes.keys() ?? [])].join(" ")}`, () => {
        const now = new Set(wanted?.routes.keys());
        for (const service of routed) if (!now.has(service)) directions.delete(service);
        for (const service of now)
          if (!routed.has(service)) directions.set(service, running.get(service) ?? NOBODY);
        routed = now;
        frontage = wanted;
      });
    },
    async reapply() {
      if (frontage !== undefined) await host.act("reapply", () => undefined);
    },
    async rejoin() {
      if (frontage !== undefined) await host.act("rejoin", () => undefined);
    },
    frontage: () => frontage,
    judge: async () => [],
    prepare: ({ routes }) => host.act(`prepare ${[...routes.keys()].join(" ")}`, () => undefined),
    certificatesChanged: () => false,
    isRouted: (service) => routed.has(service),
    direction: (service) => directions.get(service) ?? { serving: [], standby: [] },
    async direct(service, to, enough = "all") {
      const isSame = JSON.stringify(directions.get(service)) === JSON.stringify(to);
      if (!routed.has(service) || isSame) return;
      await host.act(`direct ${service} to ${describe(to)}`, () => {
        assertReached(to.serving, enough);
        directions.set(service, structuredClone(to));
      });
    },
    async drained(service, containers) {
      await host.act(`drained ${service} ${containers.join(" ")}`, () => undefined);
      return 0;
    },
    hold: (service, { ms, max }) => host.act(`hold ${service} ${ms} ${max}`, () => void held.add(service)),
    async release(service) {
      const was = held.has(service);
      if (was) await host.act(`release ${service}`, () => void held.delete(service));
      return { held: was ? 3 : 0, refused: 0 };
    },
    async measure(services) {
      const requests = { requests: 12_431, failed: 0, retried: 0, held: 0, refused: 0 };
      const latency = { p50: 1, p90: 2, p99: 7.6, max: 30 };
      return { stop: async () => new Map(services.map((each) => [each, { ...requests, latency }])) };
    },
    problem: async () => undefined,
    servers: async () => [],
  };
}

const NOBODY: Direction = { serving: [], standby: [] };

/** What the compose file says at its top, for tests. */
export const EDGE: EdgeSettings = {
  http: 80,
  https: undefined,
  certs: undefined,
  challenges: undefined,
  image: undefined,
  webhook: undefined,
};

function describe({ serving, standby }: Direction): string {
  const names = (servers: readonly Server[]): string =>
    servers.map(({ container, port }) => `${container}:${port}`).join(" ");
  return `${names(serving) || "nothing"}${standby.length === 0 ? "" : `, then ${names(standby)}`}`;
}
