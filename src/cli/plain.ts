import { progressText } from "../client/progress-text.ts";
import type { Io } from "./command.ts";
import { eventLine } from "./follow.ts";
import type { Teller } from "./teller.ts";

/** In a log nothing is redrawn. */
const PROGRESS_EVERY_MS = 10_000;

/** A line for each event, and for a pull one now and then. */
export function tellPlainly({ stderr, now }: Pick<Io, "stderr" | "now">): Teller {
  let toldAt = now();
  return {
    event: (event) => stderr(eventLine(event)),
    progress(progress) {
      if (now() - toldAt < PROGRESS_EVERY_MS) return;
      toldAt = now();
      const at = new Date(toldAt).toISOString();
      stderr(eventLine({ seq: 0, at, phase: "pulling", level: "info", text: progressText(progress) }));
    },
    say: (text) => stderr(`${text}\n`),
    end: () => undefined,
  };
}
