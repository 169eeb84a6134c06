import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

import { runChecks } from "./checks.ts";
import type { Config } from "./config.ts";
import { publicMessage } from "./core/errors.ts";
import { currentPins } from "./core/pins.ts";
import type { Ports } from "./core/ports.ts";
import type { Queue } from "./core/queue.ts";
import { restart } from "./core/restart.ts";
import type { ServiceState } from "./core/services.ts";
import { up } from "./core/up.ts";
import { unlessAborted } from "./core/wait.ts";
import type { Worker } from "./core/worker.ts";
import { PINS_FILE } from "./docker/compose.ts";
import type { Host } from "./http/control.ts";
import type { Refusals } from "./http/refusals.ts";
import type { Environment } from "./variables.ts";

/** Who asks for deployments through the control socket. */
const ISSUER = "host";

type Parts = {
  config: Config;
  env: Environment;
  ports: Ports;
  queue: Queue;
  worker: Worker;
  services: () => Promise<ServiceState[]>;
  refusals: Refusals;
  /** Resolves when nothing unfinished is left of the last run of the daemon. */
  recovered: Promise<void>;
  stopping: AbortSignal;
};

/** What the commands on this host get from a running daemon. */
export function createHost({
  config,
  env,
  ports,
  queue,
  worker,
  services,
  refusals,
  recovered,
  stopping,
}: Parts): Host {
  return {
    async restart(service) {
      await unlessAborted(recovered, stopping);
      return await restart(service, ports, stopping);
    },
    async up() {
      await unlessAborted(recovered, stopping);
      return await up(ports, { services, submit: (request) => worker.submit(request, ISSUER) }, stopping);
    },
    guards: () => ports.store.guards(),
    dropGuards: (service) => ports.store.dropGuards(service),
    rejected(limit) {
      refusals.write();
      return ports.store.rejections(limit);
    },
    checks: () => runChecks(env),
    compose() {
      const pinsFile = join(config.stateDir, PINS_FILE);
      const folder = process.cwd();
      return {
        // Not realpath: the folder of the file as it was named gives the project its name.
        composeFile: resolve(folder, config.composeFile),
        pinsFile: existsSync(pinsFile) ? pinsFile : undefined,
        folder,
        pid: process.pid,
      };
    },
    async alone(task, signal) {
      const either = AbortSignal.any([signal, stopping]);
      await queue.alone(async () => {
        await dropOldPins(ports);
        await task(either);
      }, either);
    },
  };
}

/** A person who has edited an image in the compose file must not get the pinned one. */
async function dropOldPins(ports: Ports): Promise<void> {
  try {
    await currentPins(await ports.compose.project(), ports);
  } catch (error) {
    // Compose is about to say the same to whoever called it.
    ports.log.warn("pins could not be compared with the compose file", { reason: publicMessage(error) });
  }
}
