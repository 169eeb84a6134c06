import { newKeyPair, privatePem, publicPem, type KeyPair } from "../../src/tokens/test-keys.ts";
import type { Daemon } from "../support/daemon.ts";
import type { Published } from "../support/push-image.ts";
import type { Project } from "../support/project.ts";
import { type Aws, stageDaemon, stageProject, startAws } from "../support/stage.ts";

/** What the rows of the HTTP table are put to: a daemon whose service `web` runs v1, and one in debug mode. */
export type HttpWorld = AsyncDisposable & {
  daemon: Daemon;
  debugDaemon: Daemon;
  project: Project;
  aws: Aws;
  key: KeyPair;
  v1: Published;
  v2: Published;
};

export async function startHttpWorld(): Promise<HttpWorld> {
  await using stack = new AsyncDisposableStack();
  const key = newKeyPair("RS256");
  const keys = { privatePem: privatePem(key), publicPem: publicPem(key) };
  const aws = stack.use(await startAws());
  const v1 = await aws.publish("web", "v1");
  const v2 = await aws.publish("web", "v2");
  const project = stack.use(stageProject({ compose: composeFile(aws) }));
  const daemon = stack.use(await stageDaemon(project, aws, { keys }));
  const idle = "services:\n  idle:\n    image: busybox\n    profiles: [never]\n";
  const debugProject = stack.use(stageProject({ compose: idle }));
  const debugDaemon = stack.use(await stageDaemon(debugProject, aws, { keys, env: { DEBUG_MODE: "true" } }));
  await daemon.waitForLog(({ message }) => message === "services are up");
  const kept = stack.move();
  return {
    daemon,
    debugDaemon,
    project,
    aws,
    key,
    v1,
    v2,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The compose file of the shared project, with more services if asked for. */
export function composeFile(aws: Aws, more: readonly string[] = []): string {
  const services = ["web", ...more].map((name) => `  ${name}:\n    image: ${aws.repository("web")}:v1\n`);
  return `services:\n${services.join("")}`;
}
