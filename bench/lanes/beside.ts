import { z } from "zod";

import type { DockerClient } from "../../test/support/docker-client.ts";
import { publishWeb } from "../../test/support/web-image.ts";
import { stage, stageProject } from "../../test/support/stage.ts";
import { waitFor } from "../../test/support/wait.ts";

/** The control: what a deployment costs a machine beside its switch. */
export type Beside = {
  /** Creates, starts, gates, watches, stops and removes a container, as a rolling deployment does with two of them. */
  comeAndGo(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** As the gate of a deployment asks. */
const PASSES = 3;
const ASK_EVERY_MS = 250;
/** A deployment gates twice: unseen, and with its names. */
const GATES = 2;
const ANSWER_DEADLINE_MS = 1_000;
const GATE_DEADLINE_MS = 30_000;

const Inspected = z.object({
  NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }),
});

/** A container like those of the lanes, of an image that is there, in a project that no daemon looks after. */
export async function prepareBeside(watchMs: number): Promise<Beside> {
  const { docker, registry } = stage();
  const repository = `beside${crypto.randomUUID().slice(0, 8)}/web`;
  const { reference } = await publishWeb(registry, { repository, tag: "v1", version: "v1" });
  await docker.docker("pull", reference);
  const project = stageProject({ compose: `services:\n  web:\n    image: ${reference}\n` });

  async function comeAndGo(): Promise<void> {
    await project.compose("up", "--no-start", "--no-recreate", "--no-build", "--pull", "never", "--", "web");
    const id = (await project.containers())[0]?.id ?? "";
    await send(docker, "POST", `/containers/${id}/start`);
    const address = await addressOf(docker, id);
    for (let gate = 0; gate < GATES; gate += 1) await pass(address);
    await Bun.sleep(watchMs);
    await isHealthy(address);
    await send(docker, "POST", `/containers/${id}/stop`);
    await send(docker, "DELETE", `/containers/${id}`);
  }

  return { comeAndGo, [Symbol.asyncDispose]: () => project.remove() };
}

async function pass(address: string): Promise<void> {
  let passes = 0;
  await waitFor("the control's container to be healthy", GATE_DEADLINE_MS, async () => {
    passes = (await isHealthy(address)) ? passes + 1 : 0;
    if (passes < PASSES) await Bun.sleep(ASK_EVERY_MS);
    return passes >= PASSES;
  });
}

async function isHealthy(address: string): Promise<boolean> {
  try {
    const options = { keepalive: false, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) };
    return (await fetch(`http://${address}:8080/health`, options)).ok;
  } catch {
    return false;
  }
}

async function addressOf(docker: DockerClient, id: string): Promise<string> {
  const { NetworkSettings } = Inspected.parse(await (await docker.api(`/containers/${id}/json`)).json());
  return Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? "";
}

async function send(docker: DockerClient, method: string, path: string): Promise<void> {
  const reply = await docker.api(path, { method });
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
}
