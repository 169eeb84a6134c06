import type { DeploymentAnswer, EventAnswer, ProgressAnswer } from "../src/client/answers.ts";
import { duration } from "../src/client/duration.ts";
import { progressText } from "../src/client/progress-text.ts";
import { END_GROUP, groupCommand, verbatim } from "./commands.ts";
import { failedContainers } from "./failed-containers.ts";
import { inert, inertLines } from "./inert.ts";
import { Stages, type StageTime } from "./stages.ts";

/** Of a pull, in a log where nothing is redrawn. */
const PROGRESS_EVERY_MS = 10_000;
const MARKS = { info: "", warn: "warning: ", error: "error: " } as const;

/** Shows a deployment in the log of the step while it happens: a group for each stage, folded when it is over. */
export class RolloutLog {
  readonly #write: (text: string) => void;
  readonly #newToken: () => string;
  readonly #stages = new Stages();
  readonly #now: () => number;
  #isOpen = false;
  #progressAt: number;

  /** @param newToken gives a text that nobody can guess */
  constructor(write: (text: string) => void, newToken: () => string, now: () => number) {
    this.#write = write;
    this.#newToken = newToken;
    this.#now = now;
    this.#progressAt = now();
  }

  event(event: EventAnswer): void {
    const { stage, ended } = this.#stages.add(event);
    if (ended !== undefined) this.#close(ended);
    if (!this.#isOpen) this.#write(groupCommand(stage));
    this.#isOpen = true;
    // What containers printed comes with the end; it is theirs, and shown as nothing but text.
    if (event.phase === "output") return;
    this.#write(`${clockTime(event.at)}  ${MARKS[event.level]}${inert(event.text)}\n`);
  }

  /** How far a pull has come, now and then. */
  progress(progress: ProgressAnswer): void {
    const now = this.#now();
    if (now - this.#progressAt < PROGRESS_EVERY_MS) return;
    this.#progressAt = now;
    this.#write(`${clockTime(new Date(now).toISOString())}  ${inert(progressText(progress))}\n`);
  }

  /** How each stage went, once the deployment has ended or nobody waits any more. */
  close(): StageTime[] {
    const ended = this.#stages.end();
    if (ended !== undefined) this.#close(ended);
    return this.#stages.times();
  }

  /** Something to say beside what the daemon tells. */
  say(text: string): void {
    for (const line of inertLines(text)) this.#write(`deployer-service: ${line}\n`);
  }

  /** What failed, and what it printed as far as the daemon shows it. */
  failures(deployment: DeploymentAnswer): void {
    for (const { title, output } of failedContainers(deployment)) {
      this.#write(`${title}\n`);
      if (output.length > 0) this.#write(verbatim(output, this.#newToken()));
    }
  }

  #close({ stage, milliseconds }: StageTime): void {
    if (this.#isOpen) this.#write(END_GROUP);
    this.#isOpen = false;
    this.#write(`${stage}: ${duration(milliseconds)}\n`);
  }
}

/** `12:00:00` of an RFC 3339 time in UTC. */
function clockTime(time: string): string {
  return time.slice(11, 19);
}
