import { z } from "zod";

import { eventsOf, idOf, recordOf } from "../../test/support/deployment-record.ts";
import type { Load } from "../../test/support/load.ts";
import { HOST, type RoutedScene } from "../../test/support/routed-scene.ts";
import { say } from "../stage.ts";
import type { Span } from "./lane.ts";

/** One deployment of `web` behind the edge, as its record tells it. */
export type Deployed = Span & {
  status: string;
  /** As the proxy counted them; undefined where it did not. */
  traffic: z.infer<typeof Traffic> | undefined;
  /** Requests that were held, and those that got a 503 for it. */
  held: number;
  refused: number;
};

const Traffic = z.looseObject({ requests: z.number(), failed: z.number(), retried: z.number() });
const Services = z.array(z.looseObject({ traffic: Traffic.nullish() }));

/** Deploys by webhook and waits for the reply, whatever it is: how it ended is part of the result. */
export async function deployUnderLoad(scene: RoutedScene, load: Load, image: string): Promise<Deployed> {
  const from = load.mark(image.slice(image.lastIndexOf(":") + 1));
  const reply = await scene.daemon.deploy({ service: "web", image });
  const to = Date.now() - load.startedAt;
  const id = idOf(reply);
  const record = await recordOf(scene.daemon, id);
  const told = (await eventsOf(scene.daemon, id)).map(({ text }) => text).join("\n");
  const count = (pattern: RegExp) => Number(pattern.exec(told)?.[1] ?? 0);
  return {
    from,
    to,
    status: record.status,
    traffic: Services.parse(record["services"])[0]?.traffic ?? undefined,
    held: count(/(\d+) requests waited meanwhile/),
    refused: count(/(\d+) were refused with a 503/),
  };
}

/** One line of progress. */
export function sayDeployed(lane: string, number: number, { status, from, to }: Deployed): void {
  const seconds = ((to - from) / 1_000).toFixed(1);
  say(`${lane}: deployment ${number} ${status} in ${seconds} s, ${Math.round(to / 1_000)} s of load`);
}

/** The service of all lanes behind the edge. */
export function webService(image: string, watch: string, more = ""): string {
  return `  web:
    image: ${image}
    stop_grace_period: 10s
    x-deployer:
      port: 8080
      health: /health
      watch: ${watch}
      route: { host: ${HOST} }
${more}`;
}
