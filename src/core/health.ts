import { DeployerError, publicMessage } from "./errors.ts";
import type { Container, Healthcheck } from "./engine.ts";
import type { Ports } from "./ports.ts";
import type { HealthRequest, Settings } from "./settings.ts";

/** How it is told whether a container is well. */
export type Check =
  | { kind: "http"; request: HealthRequest; port: number }
  | { kind: "command"; healthcheck: Healthcheck }
  /** Nothing but that it goes on running. */
  | { kind: "running" };

/** What was found wrong with a container when it was asked. */
export type Complaint = {
  /** In our words. */
  what: string;
  /** What the container printed about it; "" for nothing. Kept apart: not everybody may see it. */
  output: string;
};

/** For one HTTP answer. A slower one is a failure: whoever visits would not wait either. */
const ANSWER_WITHIN_MS = 5_000;

/**
 * HTTP where the compose file names a path, else the container's own HEALTHCHECK, else that it runs.
 * Errors: `compose_file`, when the port to ask is not clear.
 */
export function checkOf(container: Container, settings: Settings): Check {
  if (settings.health !== undefined)
    return { kind: "http", request: settings.health, port: portOf(container, settings) };
  if (container.healthcheck !== undefined) return { kind: "command", healthcheck: container.healthcheck };
  return { kind: "running" };
}

/** What is asked, for people. */
export function describeCheck(check: Check): string {
  switch (check.kind) {
    case "http":
      return `GET ${check.request.path} on port ${check.port}`;
    case "command":
      return "its HEALTHCHECK";
    case "running":
      return "that it stays up";
  }
}

/**
 * Asks a running container once. HEALTHCHECK is run by ourselves: Docker would wait for its interval, 30 s by default.
 * @param withinMs how long there is for an answer, at most
 * @returns what is wrong with it, undefined when it is well
 */
export async function ask(
  container: Container,
  check: Check,
  { engine, probe }: Pick<Ports, "engine" | "probe">,
  withinMs: number,
): Promise<Complaint | undefined> {
  try {
    switch (check.kind) {
      case "http": {
        const { request, port } = check;
        const status = await probe.status(
          addressOf(container),
          port,
          request,
          Math.min(ANSWER_WITHIN_MS, withinMs),
        );
        const isWell = request.status.from <= status && status <= request.status.to;
        return isWell ? undefined : { what: `HTTP ${status}`, output: "" };
      }
      case "command": {
        const { argv } = check.healthcheck;
        const timeoutMs = Math.min(check.healthcheck.timeoutMs, withinMs);
        const { exitCode, output } = await engine.exec(container.id, argv, timeoutMs);
        if (exitCode === 0) return undefined;
        const what = exitCode === undefined ? `took over ${timeoutMs / 1000} s` : `exited with ${exitCode}`;
        return { what, output };
      }
      case "running":
        return undefined;
    }
  } catch (error) {
    // It may have ended between the look at it and the question, or not have an address yet.
    return { what: publicMessage(error), output: "" };
  }
}

/** The port a container answers on. Errors: `compose_file`, when that is not clear. */
export function portOf({ tcpPorts, service }: Container, { port }: Settings): number {
  if (port !== undefined) return port;
  const [only, ...others] = tcpPorts;
  if (only !== undefined && others.length === 0) return only;
  const which = only === undefined ? "exposes no port" : `exposes the ports ${tcpPorts.join(", ")}`;
  throw new DeployerError(
    "compose_file",
    `service "${service}" ${which}: say in x-deployer.port on which it answers`,
  );
}

function addressOf({ networkMode, networks }: Container): string {
  if (networkMode === "host") return "127.0.0.1";
  const address = networks.map(({ address }) => address).find((address) => address !== "");
  if (address !== undefined) return address;
  throw new DeployerError("unhealthy", "it has no address in any network");
}
