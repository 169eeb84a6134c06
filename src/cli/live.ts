import type { EventAnswer, ProgressAnswer } from "../client/answers.ts";
import { duration } from "../client/duration.ts";
import { oneLine } from "../client/one-line.ts";
import { progressText } from "../client/progress-text.ts";
import type { Io } from "./command.ts";
import { type Look, lookOf } from "./look.ts";
import { Region, type Terminal } from "./region.ts";
import type { Teller } from "./teller.ts";

const REDRAW_MS = 120;
const BAR_COLUMNS = 24;
const PHASE_COLUMNS = 12;
const TOOK_COLUMNS = 6;

/** A step that goes on, and since when here: the clocks of two machines differ. */
type Step = { event: EventAnswer; since: number };

/** What is done stays on the screen, with how long it took; the step that goes on, and its pulls, are redrawn below. */
export function tellLive(terminal: Terminal, { now, env }: Pick<Io, "now" | "env">): Teller {
  const look = lookOf(env);
  const region = new Region(terminal);
  const pulls = new Map<string, ProgressAnswer>();
  let step: Step | undefined;
  let frame = 0;

  function draw(above = ""): void {
    const bars = [...pulls.values()].map((pull) => barLine(pull, look));
    const spinner = look.spinner[frame % look.spinner.length] ?? "";
    region.show(step === undefined ? bars : [...bars, stepLine(spinner, step, now(), look)], above);
  }

  function done(mark: string): string {
    if (step === undefined) return "";
    const line = `${stepLine(mark, step, now(), look)}\n`;
    step = undefined;
    pulls.clear();
    return line;
  }

  const timer = setInterval(() => {
    frame += 1;
    draw();
  }, REDRAW_MS);

  return {
    event(event) {
      if (event.phase === "output") draw(`  ${look.gutter} ${oneLine(event.text)}\n`);
      else if (event.level === "error") draw(`${done(look.failed)}${plainLine(look.failed, event)}`);
      else if (event.level === "warn") draw(plainLine(look.warning, event));
      else {
        const above = done(look.done);
        step = { event, since: now() };
        draw(above);
      }
    },
    progress(progress) {
      pulls.set(progress.image, progress);
      draw();
    },
    say: (text) => draw(`${oneLine(text)}\n`),
    end() {
      clearInterval(timer);
      region.show([], done(look.done));
    },
  };
}

/** `✓ gating        3 s  web is asked for its health`. */
function stepLine(mark: string, { event, since }: Step, now: number, { dim }: Look): string {
  const took = dim(duration(now - since).padStart(TOOK_COLUMNS));
  return `${mark} ${oneLine(event.phase).padEnd(PHASE_COLUMNS)} ${took}  ${oneLine(event.text)}`;
}

function plainLine(mark: string, { phase, text }: EventAnswer): string {
  return `${mark} ${oneLine(phase).padEnd(PHASE_COLUMNS)} ${"".padStart(TOOK_COLUMNS)}  ${oneLine(text)}\n`;
}

/** What is pulled comes last: of a long line the end is cut off. */
function barLine(progress: ProgressAnswer, { full, empty }: Look): string {
  const { downloaded_bytes, total_bytes } = progress;
  const part = total_bytes > 0 ? Math.min(1, Math.max(0, downloaded_bytes / total_bytes)) : 0;
  const columns = Math.floor(part * BAR_COLUMNS);
  return `  ${full.repeat(columns)}${empty.repeat(BAR_COLUMNS - columns)}  ${progressText(progress)}`;
}
