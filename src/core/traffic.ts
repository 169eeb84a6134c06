import { type Deployment, type DeploymentTraffic, servicesOf } from "./deployment.ts";
import type { Ports } from "./ports.ts";

/**
 * What visitors notice of a deployment: the requests of its services from now on, until the returned function is called.
 * Neither throws: what cannot be counted is not known, and stops nothing.
 */
export async function countRequests(
  deployment: Deployment,
  { edge, log }: Pick<Ports, "edge" | "log">,
): Promise<() => Promise<ReadonlyMap<string, DeploymentTraffic>>> {
  const services = servicesOf(deployment).filter((service) => edge.isRouted(service));
  const none = async (): Promise<ReadonlyMap<string, DeploymentTraffic>> => new Map();
  if (services.length === 0) return none;
  try {
    const measurement = await edge.measure(services);
    return async () => {
      const counted = await measurement.stop();
      return deployment.attempts > 1 ? new Map([...counted].map(sinceRestart)) : counted;
    };
  } catch (error) {
    log.warn("the requests during a deployment cannot be counted", { deployment: deployment.id, error });
    return none;
  }
}

/** `web: 12,431 requests during this deployment, 0 failed, p99 8 ms`, an event for each service. */
export function tellTraffic(
  { id }: Deployment,
  traffic: ReadonlyMap<string, DeploymentTraffic>,
  { journal }: Pick<Ports, "journal">,
): void {
  for (const [service, counted] of traffic)
    journal.event(
      id,
      "edge",
      counted.failed > 0 ? "warn" : "info",
      `${service}: ${describeTraffic(counted)}`,
    );
}

/** The numbers of a measurement end with the daemon that made it. */
function sinceRestart([service, counted]: [string, DeploymentTraffic]): [string, DeploymentTraffic] {
  return [service, { ...counted, sinceRestart: true }];
}

/** For people. */
function describeTraffic(traffic: DeploymentTraffic): string {
  const { requests, failed, retried, held, refused, latency } = traffic;
  const when = traffic.sinceRestart === true ? "since the daemon's restart" : "during this deployment";
  const ofThem = refused > 0 ? ` (${inThousands(refused)} of them refused for the limits of the hold)` : "";
  const parts = [`${inThousands(requests)} requests ${when}`, `${inThousands(failed)} failed${ofThem}`];
  if (held > 0) parts.push(`${inThousands(held)} held`);
  if (retried > 0) parts.push(`${inThousands(retried)} sent a second time`);
  if (latency !== undefined) parts.push(`p99 ${Math.ceil(latency.p99)} ms`);
  return parts.join(", ");
}

function inThousands(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ",");
}
