import { constants } from "node:os";

import { z } from "zod";

import type { Engine } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { parseJson, refused } from "./answer.ts";
import { inspect } from "./inspect.ts";
import type { Transport } from "./transport.ts";

const EVENTS_DEADLINE_MS = 10_000;
/** Docker's own when neither image nor compose file has another. */
const DEFAULT_SIGNAL = "SIGTERM";
/** Where glibc's real-time signals begin, which Docker counts from. */
const FIRST_REAL_TIME = 34;

const event = z.object({
  Actor: z.object({ ID: z.string(), Attributes: z.object({ signal: z.string() }) }),
});

/**
 * Who is being stopped: an inspection does not tell, Docker's events do. Its shutdown forgets them.
 * See https://docs.docker.com/reference/api/engine/version/v1.41/#tag/System/operation/SystemEvents
 */
export function createStopSignals(transport: Transport, clock: Clock): Pick<Engine, "wasToldToStop"> {
  return {
    async wasToldToStop(id) {
      const inspection = await inspect(transport, id);
      const startedAt = Date.parse(inspection?.State.StartedAt ?? "");
      if (inspection === undefined || Number.isNaN(startedAt)) return false;
      const answer = await transport.send({
        method: "GET",
        path: "/events",
        query: {
          since: seconds(startedAt),
          // Without it the answer would have no end.
          until: seconds(Math.max(clock.now(), startedAt)),
          filters: JSON.stringify({ type: ["container"], event: ["kill"], container: [inspection.Id] }),
        },
        deadlineMs: EVENTS_DEADLINE_MS,
      });
      if (answer.status !== 200) throw refused(answer, `show the events of container ${id}`);
      const stopSignal = numberOf(inspection.Config.StopSignal || DEFAULT_SIGNAL);
      const stops = new Set<number>([stopSignal, constants.signals.SIGKILL]);
      return signalsIn(answer.text, inspection.Id).some((signal) => stops.has(numberOf(signal)));
    },
  };
}

/** As Docker takes an instant: seconds since the epoch, with a fraction. */
function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

/** One JSON a line. Docker filters by the beginning of an id. */
function signalsIn(lines: string, id: string): string[] {
  return lines.split("\n").flatMap((line) => {
    const { data } = event.safeParse(parseJson(line));
    return data?.Actor.ID === id ? [data.Actor.Attributes.signal] : [];
  });
}

/** `SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3`; NaN when it is none. */
function numberOf(signal: string): number {
  const name = signal.toUpperCase().replace(/^SIG/, "");
  const realTime = /^RTMIN(?:\+(\d+))?$/.exec(name);
  if (realTime !== null) return FIRST_REAL_TIME + Number(realTime[1] ?? 0);
  const known = Object.entries(constants.signals).find(([each]) => each === `SIG${name}`)?.[1];
  return known ?? (/^\d+$/.test(name) ? Number(name) : Number.NaN);
}
