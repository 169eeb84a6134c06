import { z } from "zod";

import type { Engine } from "../core/engine.ts";
import { parseAnswer } from "./answer.ts";
import type { Transport } from "./transport.ts";

const LIST_DEADLINE_MS = 30_000;

const endpoint = z.object({
  IPAddress: z.string().default(""),
  IPAMConfig: z.object({ IPv4Address: z.string().default("") }).nullish(),
});

const list = z.array(
  z.object({
    Id: z.string().min(1),
    Names: z.array(z.string()).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    Ports: z.array(z.object({ PublicPort: z.number().nullish(), Type: z.string().default("tcp") })).nullish(),
    NetworkSettings: z.object({ Networks: z.record(z.string(), endpoint).nullish() }).nullish(),
  }),
);

/** Containers of any project, by what they take of the host. Their own list tells it, in every state; a network knows only those that run. */
export function createLookout(transport: Transport): Pick<Engine, "members" | "publishers"> {
  async function containers(
    query: { all: "true" | "false"; filters: Record<string, string[]> },
    action: string,
  ): Promise<z.infer<typeof list>> {
    const answer = await transport.send({
      method: "GET",
      path: "/containers/json",
      query: { all: query.all, filters: JSON.stringify(query.filters) },
      deadlineMs: LIST_DEADLINE_MS,
    });
    return parseAnswer(answer, list, action);
  }

  return {
    async members(network) {
      const found = await containers(
        { all: "true", filters: { network: [network] } },
        `list the containers in network ${network}`,
      );
      return found.map(({ Id, NetworkSettings }) => {
        const place = NetworkSettings?.Networks?.[network];
        return { container: Id, address: place?.IPAMConfig?.IPv4Address || place?.IPAddress || "" };
      });
    },

    async publishers(port) {
      const found = await containers(
        { all: "false", filters: { publish: [`${port}/tcp`] } },
        `list the containers that publish port ${port}`,
      );
      return found
        .filter(({ Ports }) => (Ports ?? []).some((each) => each.PublicPort === port && each.Type === "tcp"))
        .map(({ Id, Names, Labels }) => ({
          container: Names?.[0]?.replace(/^\//, "") ?? Id,
          project: Labels?.["com.docker.compose.project"] ?? "",
          service: Labels?.["com.docker.compose.service"] ?? "",
        }));
    },
  };
}
