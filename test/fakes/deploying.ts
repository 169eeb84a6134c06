import { deploy } from "../../src/core/deploy.ts";
import { begin, type Deployment, type Outcome } from "../../src/core/deployment.ts";
import { resume } from "../../src/core/resume.ts";
import { never } from "./clock.ts";
import { running } from "./deployment.ts";
import type { World } from "./world.ts";

/** Deploys as the worker does, its row included; what was called before is forgotten. */
export async function deployIn(
  world: World,
  services: string | readonly string[],
  fields: Partial<Deployment> & { image?: string } = {},
  signal: AbortSignal = never(),
): Promise<Outcome> {
  const deployment = running(services, fields);
  world.store.insert(deployment);
  world.calls.length = 0;
  return await deploy(deployment, world, signal);
}

/** Of a deployment, as `phase: text`. */
export function toldIn(world: World, id = "d1"): string[] {
  return world.store.events(id, 0, 1_000).map(({ phase, text }) => `${phase}: ${text}`);
}

/** What the next start of the daemon does with `d1`. */
export async function resumeIn(world: World): Promise<Outcome> {
  const left = world.store.find("d1");
  if (left === undefined) throw new Error("no deployment d1");
  const again = begin(left, world.clock.now());
  world.store.update(again);
  return await resume(again, world, never());
}
