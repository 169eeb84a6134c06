import { composeVersion } from "../test/support/compose-plugin.ts";
import { connectDocker, type DockerClient, engineVersion } from "../test/support/docker-client.ts";
import { startDocker } from "../test/support/docker.ts";
import { ENGINE_TOOLS, ensureMachine, STAND_IN_TOOLS } from "../test/support/machine.ts";
import type { Show } from "./show.ts";

export type Engine = DockerClient & AsyncDisposable;

export type EngineOptions = {
  /** As DOCKER_HOST has it. */
  host: string;
  /** May install programs and start a private engine. */
  isRoot: boolean;
};

/** Packages of the programs that play the registry and the caller. */
const STAND_INS = "docker-registry busybox-static curl";

/**
 * The Docker Engine to work on: the user's own if it answers, and it is left running; otherwise, as root, a private one.
 * Brings the other programs the demo needs. Throws with what to do where neither can be had.
 */
export async function findEngine(show: Show, { host, isRoot }: EngineOptions): Promise<Engine> {
  const own = host.startsWith("unix://") ? connectDocker(host) : undefined;
  const install = (line: string) => show.part("set-up", line);

  if (own !== undefined && (await own.answers())) {
    await ensureMachine(install, STAND_IN_TOOLS);
    show.part("docker", `${await versions(own)}, at ${host}`);
    return { ...own, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  if (!isRoot) throw new Error(howToGetDocker(host));
  await ensureMachine(install, [...ENGINE_TOOLS, ...STAND_IN_TOOLS]);
  const engine = await startDocker();
  show.part("docker", `${await versions(engine)}, a private one: there is none at ${host}`);
  return engine;
}

async function versions(docker: DockerClient): Promise<string> {
  const engine = await engineVersion(docker);
  return `Engine ${engine.version}, Compose ${await composeVersion()}`;
}

/** The names of the packages are those that `ensureMachine` installs as root. */
function howToGetDocker(host: string): string {
  return [
    `no Docker Engine on this machine that this user may use answers at ${host}. One of these helps:`,
    "  let the demo bring a private one:   sudo npm run demo",
    "  is it installed and running?        sudo systemctl start docker",
    "  may this user use it?               sudo usermod -aG docker $USER, then log in again",
    "  install it, and what else the demo needs:",
    `    Ubuntu      sudo apt-get install docker.io docker-compose-v2 ${STAND_INS}`,
    `    Debian 13   sudo apt-get install docker.io docker-cli docker-compose ${STAND_INS}`,
    `    Debian 12   sudo apt-get install docker.io ${STAND_INS}`,
    "                and the Compose plugin: https://docs.docker.com/compose/install/linux/",
  ].join("\n");
}
