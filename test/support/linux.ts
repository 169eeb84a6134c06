import { existsSync, readFileSync } from "node:fs";

import { hasCommand } from "./run.ts";

export type Linux = {
  hasApt: boolean;
  /** The package with the compose plugin; undefined where the distribution has none. */
  composePackage: string | undefined;
  /** The package with the `docker` command: Debian 13 split it from the engine. */
  dockerCliPackage: string;
};

const OS_RELEASE = "/etc/os-release";
const FIRST_DEBIAN_WITH_COMPOSE = 13;

export function readLinux(): Linux {
  const fields = existsSync(OS_RELEASE)
    ? parseFields(readFileSync(OS_RELEASE, "utf8"))
    : new Map<string, string>();
  const id = fields.get("ID") ?? "";
  const version = Number(fields.get("VERSION_ID") ?? "0");
  const isUbuntu = id === "ubuntu";
  const isNewDebian = id === "debian" && version >= FIRST_DEBIAN_WITH_COMPOSE;
  return {
    hasApt: (isUbuntu || id === "debian") && hasCommand("apt-get"),
    composePackage: isUbuntu ? "docker-compose-v2" : isNewDebian ? "docker-compose" : undefined,
    dockerCliPackage: isNewDebian ? "docker-cli" : "docker.io",
  };
}

function parseFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals > 0) fields.set(line.slice(0, equals), line.slice(equals + 1).replaceAll('"', ""));
  }
  return fields;
}
