import { CHALLENGES_FOLDER, CONFIG_FILE, PROXY_FOLDER, type ProxySpec } from "./proxy.ts";
import type { EdgeImage } from "./image.ts";

/** By which a container of the proxy is known again, and judged. */
export const LABELS = {
  /** The compose project in front of which it is; its network has this one too. */
  project: "deployer-service.edge",
  asked: "deployer-service.edge.image",
  definition: "deployer-service.edge.definition",
  generation: "deployer-service.edge.generation",
} as const;

export const SERVICE = "edge";
/** Where the proxies find the folders of their sockets, one for each generation. */
const RUN_FOLDER = "/run/edge";

/** The user of the host whom the sockets are for. */
export type Owner = { uid: number; gid: number };

/**
 * What it starts with, as root: ports below 1024, sockets that it gives away, files that only the daemon's user may read, a
 * user to become, workers of that user to signal.
 */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

type Definition = Readonly<Record<string, unknown>>;

/** What all generations of a proxy have in common: while it is the same, the proxy that runs stays. */
export function definitionOf(spec: ProxySpec, image: EdgeImage, runFolder: string, owner: Owner): Definition {
  return {
    image: image.pinned,
    entrypoint: ["haproxy", "-W", "-db"],
    network_mode: "host",
    // Where Docker maps users, the network of the host is for those of the host only.
    userns_mode: "host",
    user: "0:0",
    cap_drop: ["ALL"],
    cap_add: CAPABILITIES,
    security_opt: ["no-new-privileges:true"],
    read_only: true,
    restart: "unless-stopped",
    // At once, whatever the image says: where Docker itself stops, what is behind the proxy stops too, and no visitor gets
    // anything from one that takes no new connections and waits for idle ones.
    stop_signal: "SIGTERM",
    logging: { driver: "json-file", options: { "max-size": "10m", "max-file": "3" } },
    volumes: [...mounts(spec), bind(runFolder, RUN_FOLDER, false)],
    labels: { [LABELS.project]: spec.project, [LABELS.asked]: image.asked },
    "x-owner": owner,
  };
}

export function hashOf(definition: Definition): string {
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(definition)).digest("hex").slice(0, 32);
}

/**
 * The compose file of one generation.
 * @param earlier the generation to take the listening sockets from: not a connection is refused between the two
 */
export function generationFile(
  definition: Definition,
  owner: Owner,
  generation: number,
  earlier: number | undefined,
): string {
  const run = `${RUN_FOLDER}/${generation}`;
  const { "x-owner": _, labels, ...service } = definition;
  return composeFile(SERVICE, {
    ...service,
    environment: { RUN_DIR: run },
    command: [
      "-S",
      `${run}/master.sock,mode,600,uid,${owner.uid},gid,${owner.gid}`,
      ...(earlier === undefined ? [] : ["-x", `${RUN_FOLDER}/${earlier}/admin.sock`]),
      "-f",
      `${PROXY_FOLDER}/${CONFIG_FILE}`,
    ],
    labels: {
      ...(labels as Record<string, string>),
      [LABELS.definition]: hashOf(definition),
      [LABELS.generation]: String(generation),
    },
  });
}

/** A container that looks at a configuration and ends. */
export function checkFile(spec: ProxySpec, image: EdgeImage, file: string): string {
  return composeFile(SERVICE, {
    image: image.pinned,
    entrypoint: ["haproxy"],
    command: ["-c", "-f", `${PROXY_FOLDER}/${file}`],
    environment: { RUN_DIR: RUN_FOLDER },
    network_mode: "none",
    user: "0:0",
    cap_drop: ["ALL"],
    cap_add: ["DAC_OVERRIDE"],
    security_opt: ["no-new-privileges:true"],
    read_only: true,
    volumes: mounts(spec),
    labels: { [LABELS.project]: spec.project },
  });
}

function mounts({ folder, challenges }: ProxySpec): unknown[] {
  return [
    bind(folder, PROXY_FOLDER, true),
    ...(challenges === undefined ? [] : [bind(challenges, CHALLENGES_FOLDER, true)]),
  ];
}

function bind(source: string, target: string, readOnly: boolean): unknown {
  return { type: "bind", source, target, read_only: readOnly, bind: { create_host_path: false } };
}

/** JSON is YAML; Compose takes one `$` of two. */
function composeFile(service: string, definition: Definition): string {
  return JSON.stringify({ services: { [service]: definition } }, undefined, 2).replaceAll("$", "$$$$");
}
