import type { Attachment, Container } from "../core/engine.ts";
import { healthcheckOf } from "./healthcheck.ts";
import type { Inspection } from "./inspect.ts";
import { lastLine } from "./log-lines.ts";

const NEVER = "0001-01-01T00:00:00Z";
/** Docker gives a volume nobody named 64 hexadecimal digits. */
const ANONYMOUS_VOLUME = /^[0-9a-f]{64}$/;

/** A container as Docker shows it, in our own words. */
export function toContainer(inspection: Inspection): Container {
  const { State: state, Config: config } = inspection;
  const labels = config.Labels ?? {};
  const volumes = (inspection.Mounts ?? []).filter((mount) => mount.Type === "volume");
  return {
    id: inspection.Id,
    name: inspection.Name.replace(/^\//, ""),
    service: labels["com.docker.compose.service"] ?? "",
    state: stateOf(state),
    exitCode: state.ExitCode,
    health: healthOf(state),
    healthcheck: healthcheckOf(config),
    healthOutput: lastLine(state.Health?.Log?.at(-1)?.Output ?? ""),
    exposesPorts: Object.keys(config.ExposedPorts ?? {}).length > 0,
    tcpPorts: tcpPorts(Object.keys(config.ExposedPorts ?? {})),
    networks: attachmentsOf(inspection),
    networkMode: networkModeOf(inspection),
    oomKilled: state.OOMKilled,
    restarts: inspection.RestartCount,
    startedAt: timeOf(state.StartedAt),
    finishedAt: timeOf(state.FinishedAt),
    restartPolicy: inspection.HostConfig.RestartPolicy?.Name || "no",
    imageText: config.Image,
    imageId: inspection.Image,
    composeHash: labels["com.docker.compose.config-hash"] ?? "",
    oneOff: labels["com.docker.compose.oneoff"] === "True",
    anonymousVolumes: volumes.map((mount) => mount.Name).filter((name) => ANONYMOUS_VOLUME.test(name)),
    labels,
  };
}

/** A state that a later Docker may invent is judged by whether its process lives. */
function stateOf(state: Inspection["State"]): Container["state"] {
  switch (state.Status) {
    case "created":
    case "running":
    case "paused":
    case "restarting":
    case "removing":
    case "exited":
    case "dead":
      return state.Status;
    default:
      return state.Running ? "running" : "exited";
  }
}

function healthOf(state: Inspection["State"]): Container["health"] {
  const status = state.Health?.Status;
  return status === "starting" || status === "healthy" || status === "unhealthy" ? status : "none";
}

function timeOf(text: string): string {
  return text === NEVER ? "" : text;
}

/** `80/tcp`, `53/udp`; without a protocol it is TCP. */
function tcpPorts(exposed: string[]): number[] {
  const ports = exposed.map((text) => Number(/^(\d+)(?:\/tcp)?$/.exec(text)?.[1] ?? "0"));
  return ports.filter((port) => port > 0).toSorted((a, b) => a - b);
}

function networkModeOf({ HostConfig: { NetworkMode: mode } }: Inspection): string {
  return mode === "default" || mode === "" ? "bridge" : mode;
}

function attachmentsOf(inspection: Inspection): Attachment[] {
  const ownNames = new Set([inspection.Name.replace(/^\//, ""), inspection.Id, inspection.Id.slice(0, 12)]);
  return Object.entries(inspection.NetworkSettings?.Networks ?? {})
    .filter(([network]) => network !== "host" && network !== "none")
    .map(([network, { IPAMConfig, Links, DriverOpts, ...endpoint }]) => ({
      network,
      networkId: endpoint.NetworkID,
      aliases: [...new Set(endpoint.Aliases)].filter((alias) => !ownNames.has(alias)),
      address: endpoint.IPAddress || endpoint.GlobalIPv6Address,
      settings: { IPAMConfig, Links, DriverOpts },
    }));
}
