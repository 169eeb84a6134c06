import { connectDocker, type DockerClient } from "./docker-client.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./daemon.ts";
import { type Ecr, type EcrOptions, startEcr } from "./ecr.ts";
import { type EcrRegistry, startEcrRegistry } from "./ecr-registry.ts";
import { type AppImage, publishImage } from "./images.ts";
import { createProject, type Project, type ProjectOptions } from "./project.ts";
import type { Published } from "./push-image.ts";
import type { Registry } from "./registry.ts";

/** What one run of the tests shares. */
export type Stage = {
  docker: DockerClient;
  /** The real registry, without sign-in. Repositories of different tests must have different names. */
  registry: Registry;
  /** Path of the built program. */
  binary: string;
};

/** How the run tells its test processes where things are. */
export const STAGE_VARIABLES = {
  dockerHost: "TEST_DOCKER_HOST",
  registry: "TEST_REGISTRY",
  binary: "TEST_BINARY",
} as const;

/** Throws with what to do when a test file was started without a run around it. */
export function stage(): Stage {
  const registry = read(STAGE_VARIABLES.registry);
  return {
    docker: connectDocker(read(STAGE_VARIABLES.dockerHost)),
    registry: { address: registry, push: { origin: `http://${registry}`, headers: {} } },
    binary: read(STAGE_VARIABLES.binary),
  };
}

/** AWS as one test sees it: the ECR API and a registry with its sign-in, both its own; images go into a namespace of its own. */
export type Aws = {
  ecr: Ecr;
  registry: EcrRegistry;
  /** Publishes `<namespace>/<name>:<tag>`; the version defaults to the tag. */
  publish(name: string, tag: string, image?: Partial<AppImage>): Promise<Published>;
  /** `host:port/<namespace>/<name>`, for compose files. */
  repository(name: string): string;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function startAws(options: EcrOptions = {}): Promise<Aws> {
  const ecr = startEcr(options);
  const registry = await startEcrRegistry(stage().registry, ecr.tokens);
  const namespace = `t${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  return {
    ecr,
    registry,
    publish: (name, tag, image = {}) =>
      publishImage(registry, { version: tag, ...image, repository: `${namespace}/${name}`, tag }),
    repository: (name) => `${registry.address}/${namespace}/${name}`,
    async [Symbol.asyncDispose]() {
      await registry.stop();
      await ecr.stop();
    },
  };
}

/** A compose project on the shared Docker. */
export function stageProject(options: Omit<ProjectOptions, "docker">): Project {
  return createProject({ docker: stage().docker, ...options });
}

/** The built program for this project and AWS; `overrides` wins. */
export function stageDaemon(
  project: Project,
  aws: Aws,
  overrides: Partial<DaemonOptions> = {},
): Promise<Daemon> {
  const { docker, binary } = stage();
  return startDaemon({
    binary,
    dockerHost: docker.host,
    composeFile: project.file,
    ecrDomain: aws.registry.address,
    ecrUrl: aws.ecr.url,
    ...overrides,
  });
}

function read(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") {
    throw new Error(
      `${name} is not set: end-to-end tests need the stage that "npm test -- <part of the file's name>" sets up`,
    );
  }
  return value;
}
