import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ensureCgroups } from "./cgroups.ts";
import { startContainerd } from "./containerd.ts";
import { connectDocker, type DockerClient } from "./docker-client.ts";
import { claimSlot, type DockerSlot } from "./docker-slot.ts";
import { lastLines } from "./run.ts";
import { mountSmallDisk } from "./small-disk.ts";
import { endProcess, startTied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

/** A Docker engine of the tests' own. Its data lives until `stop`, through any number of `halt`, `kill` and `start`. */
export type PrivateDocker = DockerClient & {
  dir: string;
  /** Where images and containers are kept. */
  dataRoot: string;
  /** Starts dockerd again on the same data; the first start has been done. */
  start(): Promise<void>;
  /** As `systemctl stop docker`: SIGTERM to dockerd, containers are stopped unless `liveRestore`. */
  halt(): Promise<void>;
  /** SIGKILL to dockerd: containers go on without it. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** The end: containers, processes, bridges, mounts, control groups and files are gone afterwards. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type DockerOptions = {
  /** Containers survive dockerd. */
  liveRestore?: boolean;
  /** How often dockerd itself tries a failing layer again (its default is 5, with pauses of 5, 10, 15, 20, 25 s). */
  maxDownloadAttempts?: number;
  /** Size of the disk that images and containers are on; default: the machine's own disk. */
  diskBytes?: number;
};

const START_DEADLINE = 60_000;
const HALT_DEADLINE = 60_000;
const LOG_LINES = 30;

/**
 * Starts a private dockerd beside any other: own data, socket, containerd, address range, control groups. It sets no
 * firewall rule (dockerd at its start rewrites chains that all Docker engines of a machine share), so its containers reach
 * this machine and each other, but not the outside; published ports work through docker-proxy, as from loopback they always do.
 */
export async function startDocker(options: DockerOptions = {}): Promise<PrivateDocker> {
  if (process.getuid?.() !== 0) throw new Error("a private Docker needs root: run this again as root");
  await ensureCgroups();
  const slot = await claimSlot();
  const { dir } = slot;
  writeFileSync(join(dir, "daemon.json"), "{}");
  const dataRoot = join(dir, "data");
  if (options.diskBytes !== undefined) await mountSmallDisk(dataRoot, options.diskBytes);
  const client = connectDocker(`unix://${dir}/docker.sock`);
  const log = join(dir, "dockerd.log");
  const containerd = await startContainerd(join(dir, "containerd"));
  const argv = dockerdArgv(slot, containerd.socket, options);
  let dockerd: Bun.Subprocess | undefined;

  async function start(): Promise<void> {
    if (dockerd !== undefined) throw new Error(`dockerd in ${dir} runs already`);
    const started = startTied(argv, { log });
    dockerd = started;
    try {
      await waitFor("dockerd to answer", START_DEADLINE, async () => {
        if (started.exitCode !== null) throw new Error(`dockerd ended with ${started.exitCode}`);
        return client.answers();
      });
    } catch (cause) {
      throw new Error(
        `dockerd did not start; the end of ${log}:\n${lastLines(readFileSync(log, "utf8"), LOG_LINES)}`,
        {
          cause,
        },
      );
    }
  }

  async function halt(): Promise<void> {
    if (dockerd !== undefined) await endProcess(dockerd, HALT_DEADLINE);
    dockerd = undefined;
  }

  const docker: PrivateDocker = {
    ...client,
    dir,
    dataRoot,
    start,
    halt,
    async kill() {
      dockerd?.kill("SIGKILL");
      await dockerd?.exited;
      dockerd = undefined;
    },
    async restart() {
      await halt();
      await start();
    },
    async stop() {
      if (dockerd !== undefined && (await client.answers())) await removeContainers(client);
      await halt();
      await containerd.stop();
      await slot.release();
    },
    [Symbol.asyncDispose]: () => docker.stop(),
  };

  try {
    await start();
  } catch (error) {
    await docker.stop();
    throw error;
  }
  return docker;
}

function dockerdArgv({ dir, ...slot }: DockerSlot, containerd: string, options: DockerOptions): string[] {
  return [
    "dockerd",
    `--config-file=${dir}/daemon.json`,
    `--host=unix://${dir}/docker.sock`,
    `--data-root=${dir}/data`,
    `--containerd=${containerd}`,
    `--exec-root=${dir}/exec`,
    `--pidfile=${dir}/dockerd.pid`,
    `--bridge=${slot.bridge}`,
    `--default-address-pool=base=${slot.pool},size=26`,
    `--cgroup-parent=${slot.cgroupParent}`,
    "--exec-opt=native.cgroupdriver=cgroupfs",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    ...(options.liveRestore === true ? ["--live-restore"] : []),
    ...(options.maxDownloadAttempts === undefined
      ? []
      : [`--max-download-attempts=${options.maxDownloadAttempts}`]),
  ];
}

async function removeContainers(client: DockerClient): Promise<void> {
  const { stdout } = await client.docker("ps", "-aq", "--no-trunc");
  const ids = stdout.split("\n").filter((id) => id !== "");
  if (ids.length > 0) await client.tryDocker("rm", "--force", "--volumes", ...ids);
}
