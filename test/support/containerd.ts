import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { endProcess, startTied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

export type Containerd = { socket: string; stop(): Promise<void> };

const START_DEADLINE = 30_000;

/**
 * A containerd apart from dockerd, as on every real host, so that killing dockerd leaves it and its containers alone.
 * Left to itself dockerd would use the machine's own one if there is one.
 */
export async function startContainerd(dir: string): Promise<Containerd> {
  const socket = join(dir, "containerd.sock");
  const config = join(dir, "containerd.toml");
  mkdirSync(dir, { recursive: true });
  writeFileSync(config, configText(dir, socket));
  const log = join(dir, "containerd.log");
  const process = startTied(["containerd", "--config", config, "--log-level", "warn"], { log });
  await waitFor(`containerd to answer (see ${log})`, START_DEADLINE, async () => {
    if (process.exitCode !== null)
      throw new Error(`containerd ended with ${process.exitCode}: ${await Bun.file(log).text()}`);
    return accepts(socket);
  });
  return { socket, stop: () => endProcess(process) };
}

function configText(dir: string, socket: string): string {
  return [
    "version = 2",
    `root = ${JSON.stringify(join(dir, "root"))}`,
    `state = ${JSON.stringify(join(dir, "state"))}`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    "[grpc]",
    `  address = ${JSON.stringify(socket)}`,
    "",
  ].join("\n");
}

async function accepts(socket: string): Promise<boolean> {
  try {
    const connection = await Bun.connect({ unix: socket, socket: { data() {} } });
    connection.end();
    return true;
  } catch {
    return false;
  }
}
