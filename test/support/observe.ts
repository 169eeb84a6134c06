import { join } from "node:path";

import { z } from "zod";

import type { Daemon } from "./daemon.ts";
import type { DockerClient } from "./docker-client.ts";
import type { Project } from "./project.ts";
import { run } from "./run.ts";
import { stage } from "./stage.ts";
import { waitFor } from "./wait.ts";

/** A container and which of its lives this is: a restart changes `startedAt`. */
export type Life = {
  service: string;
  id: string;
  startedAt: string;
  state: string;
  exitCode: number;
  /** As the container was told. */
  image: string;
  name: string;
};

const SERVE_DEADLINE = 15_000;
const ASK_DEADLINE = 2_000;

const Inspection = z.object({
  Id: z.string(),
  Name: z.string(),
  State: z.object({ StartedAt: z.string(), Status: z.string(), ExitCode: z.number() }),
  Config: z.object({ Image: z.string() }),
});

const Networks = z.object({
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }),
});

/** Every container of the project in any state, by service, then by age. */
export async function lives(
  project: Project,
  service?: string,
  docker: DockerClient = stage().docker,
): Promise<Life[]> {
  const found: Life[] = [];
  for (const container of await project.containers()) {
    if (service !== undefined && container.service !== service) continue;
    const reply = await docker.api(`/containers/${container.id}/json`);
    if (reply.status === 404) continue;
    const { Id, Name, State, Config } = Inspection.parse(await reply.json());
    found.push({
      service: container.service,
      id: Id,
      startedAt: State.StartedAt,
      state: State.Status,
      exitCode: State.ExitCode,
      image: Config.Image,
      name: Name.slice(1),
    });
  }
  return found.toSorted((a, b) => a.service.localeCompare(b.service));
}

/** The only container of a service, running or not. */
export async function lifeOf(project: Project, service: string, docker?: DockerClient): Promise<Life> {
  const [life, ...others] = await lives(project, service, docker);
  if (life === undefined || others.length > 0)
    throw new Error(`${service} has ${others.length + (life === undefined ? 0 : 1)} containers`);
  return life;
}

/** The IPv4 address of the only container of a service, in the only network it is in. */
export async function addressOf(
  project: Project,
  service: string,
  docker: DockerClient = stage().docker,
): Promise<string> {
  const { id } = await lifeOf(project, service, docker);
  const { NetworkSettings } = Networks.parse(await (await docker.api(`/containers/${id}/json`)).json());
  const [network, ...others] = Object.values(NetworkSettings.Networks);
  if (network === undefined || others.length > 0) throw new Error(`${service} is not in one network`);
  return network.IPAddress;
}

/** The IPv4 address of the only container of a service in a network, by its name. */
export async function addressIn(
  network: string,
  project: Project,
  service: string,
  docker: DockerClient = stage().docker,
): Promise<string> {
  const { id } = await lifeOf(project, service, docker);
  const { NetworkSettings } = Networks.parse(await (await docker.api(`/containers/${id}/json`)).json());
  const place = NetworkSettings.Networks[network];
  if (place === undefined) throw new Error(`${service} is not in network ${network}`);
  return place.IPAddress;
}

/** What answers on a port of this machine now; undefined when nobody does. */
export async function ask(port: number | undefined): Promise<string | undefined> {
  return port === undefined ? undefined : await askUrl(`http://127.0.0.1:${port}/`);
}

async function askUrl(url: string): Promise<string | undefined> {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(ASK_DEADLINE) });
    return reply.ok ? (await reply.text()).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Waits until the service answers this version on its published port. */
export async function expectVersion(project: Project, service: string, version: string): Promise<void> {
  let seen: string | undefined;
  await waitFor(`${service} to serve ${version}`, SERVE_DEADLINE, async () => {
    const container = (await project.containers()).find(
      (one) => one.service === service && one.state === "running",
    );
    seen = await ask(container?.ports[8080]);
    return seen === version;
  }).catch((cause: unknown) => {
    throw new Error(`${service} should serve ${version} and serves ${seen ?? "nothing"}`, { cause });
  });
}

/** Waits until a container of the service answers this version on its own address, published or not. */
export async function expectVersionInside(
  project: Project,
  service: string,
  version: string,
  docker: DockerClient = stage().docker,
): Promise<void> {
  await waitFor(`${service} to serve ${version}`, SERVE_DEADLINE, async () => {
    const [life, ...others] = await lives(project, service, docker);
    if (life?.state !== "running" || others.length > 0) return false;
    return (await askUrl(`http://${await addressOf(project, service, docker)}:8080/`)) === version;
  });
}

/** `docker compose up -d` as a person on the host does it: with the daemon's pins and its environment. */
export async function upByHand(project: Project, daemon: Daemon, ...more: string[]): Promise<void> {
  const pins = join(daemon.stateDir, "pins.compose.yml");
  const argv = ["docker", "compose", "-f", project.file, "-f", pins, ...more, "up", "-d"];
  await run(argv, { env: daemon.env, cwd: project.dir });
}
