import type { Frontage } from "../core/edge.ts";
import { DeployerError } from "../core/errors.ts";
import { certificatePath } from "./certificate-folder.ts";
import { identity, render, type Surroundings } from "./config.ts";
import type { EdgePort, ProxySpec } from "./proxy.ts";
import type { EdgeState } from "./state.ts";

/** What a state of the edge means for its proxy, container and configuration. Of a state without a frontage it means nothing. */
export type Site = {
  /** Absolute, of the edge alone. */
  folder: string;
  fixed: Pick<Surroundings, "daemon" | "owner" | "ipv6">;
};

export function configOf(state: EdgeState, { fixed }: Pick<Site, "fixed">): string {
  return render(surroundingsOf(state, fixed), state.directions);
}

/** Of the configuration, see `identity`. */
export function identityOf(state: EdgeState, { fixed }: Pick<Site, "fixed">): string {
  return identity(surroundingsOf(state, fixed));
}

export function specOf(state: EdgeState, { folder }: Pick<Site, "folder">): ProxySpec {
  const { project, settings } = frontageOf(state);
  const { image, challenges } = settings;
  return { project, image, folder, challenges, ports: portsOf(settings) };
}

/** Whether the proxy of one is the proxy of the other, but for its servers. */
export function isSame(a: EdgeState, b: EdgeState, site: Site): boolean {
  if (a.frontage === undefined || b.frontage === undefined) return false;
  const essence = (state: EdgeState) => JSON.stringify([specOf(state, site), identityOf(state, site)]);
  return essence(a) === essence(b);
}

/** Those that the proxy of a state does not listen on. */
export function newPorts({ frontage }: EdgeState, wanted: Frontage): EdgePort[] {
  const held = new Set(frontage === undefined ? [] : portsOf(frontage.settings).map(({ port }) => port));
  return portsOf(wanted.settings).filter(({ port }) => !held.has(port));
}

export function frontageOf({ frontage }: EdgeState): Frontage {
  if (frontage === undefined) throw new DeployerError("internal", "the edge has nothing in front of it");
  return frontage;
}

function surroundingsOf(state: EdgeState, fixed: Site["fixed"]): Surroundings {
  const { certificates } = state;
  return {
    ...fixed,
    frontage: frontageOf(state),
    certificates: certificates === undefined ? undefined : certificatePath(certificates),
  };
}

function portsOf({ http, https }: Frontage["settings"]): EdgePort[] {
  return [
    ...(http === undefined ? [] : [{ key: "http", port: http } as const]),
    ...(https === undefined ? [] : [{ key: "https", port: https } as const]),
  ];
}
