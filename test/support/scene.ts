import type { Daemon, DaemonOptions } from "./daemon.ts";
import { createProject, type Project } from "./project.ts";
import { type Aws, stage, stageDaemon, startAws } from "./stage.ts";
import type { DockerClient } from "./docker-client.ts";

/** AWS, a compose project and a daemon that looks after it, all one test's own. */
export type Scene = {
  aws: Aws;
  project: Project;
  /** The first one; a test that starts another with `startAgain` disposes of that too. */
  daemon: Daemon;
  [Symbol.asyncDispose](): Promise<void>;
};

export type SceneOptions = {
  /** Publishes the images and gives the text of docker-compose.yml. */
  compose: (aws: Aws) => Promise<string>;
  files?: Readonly<Record<string, string>>;
  /** Default: the one of the stage. */
  docker?: DockerClient;
  daemon?: Partial<DaemonOptions>;
  /** Between the project and the start of the daemon. */
  beforeStart?: (project: Project, aws: Aws) => Promise<void>;
  /** Wait until the daemon says that the services are up; default true. */
  waitUntilUp?: boolean;
};

/** Twenty services, one after the other, on a busy machine. */
const UP_DEADLINE = 180_000;

export async function startScene(options: SceneOptions): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  try {
    const docker = options.docker ?? stage().docker;
    const aws = stack.use(await startAws());
    const compose = await options.compose(aws);
    const project = stack.use(createProject({ docker, compose, files: options.files ?? {} }));
    await options.beforeStart?.(project, aws);
    const daemon = stack.use(await stageDaemon(project, aws, { dockerHost: docker.host, ...options.daemon }));
    if (options.waitUntilUp !== false) await waitUntilUp(daemon);
    return { aws, project, daemon, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Until the daemon has brought up everything it can. */
export async function waitUntilUp(daemon: Daemon): Promise<void> {
  await daemon.waitForLog((line) => line.message === "services are up", UP_DEADLINE);
}
