import { accessSync, constants } from "node:fs";

import { type Check, NOT_LOOKED_AT } from "./check.ts";
import type { Config } from "./config.ts";
import type { Compose } from "./core/compose.ts";
import { DeployerError } from "./core/errors.ts";
import { edgeProblems } from "./core/apply-edge.ts";
import { parseImage } from "./core/image.ts";
import type { Ports } from "./core/ports.ts";
import { refusedSettings } from "./core/refused-settings.ts";

export function composeFileCheck(config: Config, compose: Compose): Check {
  return {
    name: "compose file",
    look: () => usableProject(compose),
    remedy: `correct the file, or name another in DOCKER_COMPOSE_FILE; see: docker compose -f ${config.composeFile} config`,
  };
}

export function edgeCheck(compose: Compose, portsOf: () => Pick<Ports, "edge" | "engine">): Check {
  return {
    name: "edge",
    look: () => usableEdge(compose, portsOf()),
    remedy: "mend what is named; a proxy that runs goes on as it is until then",
  };
}

/** The project, its images and the files it needs, with all that is wrong with them at once. */
async function usableProject(compose: Compose): Promise<string> {
  const project = await compose.project();
  const files = await compose.files();
  const problems = [
    ...[...project.services.values()].flatMap(({ name, image }) =>
      image !== undefined && parseImage(image) === undefined
        ? [`service "${name}": ${JSON.stringify(image)} is not an image`]
        : [],
    ),
    ...refusedSettings(project),
    ...files
      .filter((path) => !isReadable(path))
      .map((path) => `${path} is not there, or not readable by this user`),
  ];
  if (problems.length > 0) throw new DeployerError("compose_file", problems.join("\n"));
  const services = [...project.services.keys()].join(", ");
  return `project ${project.name}: ${services}; ${files.length} files it names are readable`;
}

/** What the proxy in front needs, with all that is wrong with it at once. */
async function usableEdge(compose: Compose, ports: Pick<Ports, "edge" | "engine">): Promise<string> {
  const project = await compose.project().catch(() => undefined);
  if (project === undefined) return `${NOT_LOOKED_AT}the compose file cannot be used`;
  const { edge, services } = project;
  if (edge === undefined) return "the compose file wants none";
  const problems = await edgeProblems(project, ports);
  if (problems.length > 0) throw new DeployerError("edge", problems.join("\n"));
  const { http, https } = edge;
  const behind = [...services.values()].filter(({ settings }) => settings.routes.length > 0);
  return [
    ...(http === undefined ? [] : [`http on port ${http}`]),
    ...(https === undefined ? [] : [`https on port ${https}`]),
    `in front of ${behind.map(({ name }) => name).join(", ") || "no service yet"}`,
  ].join(", ");
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
