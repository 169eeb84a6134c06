import { bringUp } from "./bring-up.ts";
import type { Deployment, DeploymentRequest } from "./deployment.ts";
import { publicMessage } from "./errors.ts";
import { THE_EDGE } from "./apply-edge.ts";
import { parseImage, sameRepository } from "./image.ts";
import type { Project } from "./compose.ts";
import type { Engine } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { ServiceState } from "./services.ts";

/** What was done about a service. */
export type UpStep = {
  service: string;
  /**
   * - `brought_up`: it had no container
   * - `deploying`: it differs from the compose file; the deployment that puts that right is in the queue
   * - `left_alone`: nothing to do, or nothing that is ours to do
   * - `failed`
   */
  did: "brought_up" | "deploying" | "left_alone" | "failed";
  /** Why, for people; may be empty. */
  text: string;
  deployment: Deployment | undefined;
};

type UpPorts = {
  services: () => Promise<ServiceState[]>;
  submit: (request: DeploymentRequest) => Promise<Deployment>;
};

/**
 * Makes what the compose file says true: services without a container are brought up, as at the start of the daemon, and
 * those that differ from the file are deployed through the queue, gated like any deployment, with the image they run;
 * another one only where the file or a pin names another. One service that fails does not stop the others. What a person
 * stopped is left alone.
 * Errors: `compose_file`, `docker`, the signal's reason.
 */
export async function up(
  ports: Ports,
  { services, submit }: UpPorts,
  signal: AbortSignal,
): Promise<UpStep[]> {
  const before = await services();
  const failures = await bringUp(new Set(), ports, signal);
  const project = await ports.compose.project();
  const after = await services();
  const steps: UpStep[] = [];
  for (const state of after) {
    const had = before.find(({ name }) => name === state.name);
    const failure = failures.get(state.name);
    if (failure !== undefined) steps.push(step(state, "failed", failure));
    else if (had?.state === "none" && state.state !== "none") steps.push(step(state, "brought_up", ""));
    else steps.push(await settle(state, project, ports, submit));
  }
  const edge = failures.get(THE_EDGE);
  if (edge !== undefined) steps.push(step({ name: THE_EDGE }, "failed", edge));
  return steps;
}

async function settle(
  state: ServiceState,
  project: Project,
  { engine }: Ports,
  submit: UpPorts["submit"],
): Promise<UpStep> {
  const text = state.drift.map((drift) => drift.text).join("; ");
  if (state.drift.length === 0 || state.running === undefined) return step(state, "left_alone", text);
  if (state.state === "stopped")
    return step(state, "left_alone", `it is stopped; "restart ${state.name}" starts it as it is (${text})`);
  if (project.services.get(state.name)?.image === undefined)
    return step(
      state,
      "left_alone",
      `it is built on this host; "compose -- up -d ${state.name}" applies the file (${text})`,
    );
  try {
    const image = await imageFor(state, state.running, engine);
    const deployment = await submit({
      kind: "deploy",
      parts: [{ service: state.name, image }],
      to: undefined,
      force: false,
    });
    return { ...step(state, "deploying", text), deployment };
  } catch (error) {
    return step(state, "failed", publicMessage(error));
  }
}

/**
 * What is wanted. A tag that nobody has deployed yet is taken at the digest that runs: a person who changed a port must not
 * get whatever the registry calls `latest` by now.
 */
async function imageFor(
  { wanted }: ServiceState,
  running: NonNullable<ServiceState["running"]>,
  engine: Pick<Engine, "image">,
): Promise<string | undefined> {
  if (wanted.digest !== undefined) return wanted.image;
  if (wanted.image !== running.image) return undefined;
  const image = parseImage(wanted.image);
  const local = await engine.image(running.imageId);
  const digest = local?.digests
    .map(parseImage)
    .find((each) => each !== undefined && image !== undefined && sameRepository(each, image))?.digest;
  return digest === undefined ? undefined : `${wanted.image}@${digest}`;
}

function step({ name }: Pick<ServiceState, "name">, did: UpStep["did"], text: string): UpStep {
  return { service: name, did, text, deployment: undefined };
}
