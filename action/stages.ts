import type { EventAnswer } from "../src/client/answers.ts";
import type { Phase } from "../src/core/history.ts";

/** What people watch of a deployment, in the words that they read; a group of the log each. */
export type Stage =
  | "waiting for its turn"
  | "bringing the image"
  | "preparing"
  | "gate"
  | "switching"
  | "watching"
  | "tidying up"
  | "going back";

/** Which stage an event begins, or goes on with; undefined: it belongs to the one under way. */
const STAGES: Readonly<Record<Phase, Stage | undefined>> = {
  accepted: "waiting for its turn",
  started: "bringing the image",
  resolved: "bringing the image",
  pulled: "bringing the image",
  preflight: "bringing the image",
  unchanged: "preparing",
  dependencies: "preparing",
  strategy: "preparing",
  before: "preparing",
  creating: "preparing",
  gating: "gate",
  switching: "switching",
  edge: undefined,
  watching: "watching",
  committed: "tidying up",
  draining: "tidying up",
  removed: "tidying up",
  going_back: "going back",
  diagnosis: undefined,
  output: undefined,
  ended: undefined,
  log: undefined,
};

/** How long a stage took in all. */
export type StageTime = { stage: Stage; milliseconds: number };

/** Follows the events of one deployment and tells how long each of its stages took, by the daemon's clock. */
export class Stages {
  #current: { stage: Stage; since: number; until: number } | undefined;
  readonly #times = new Map<Stage, number>();

  /** @returns the stage that the event is of, and the one that ended with it */
  add({ phase, at }: Pick<EventAnswer, "phase" | "at">): { stage: Stage; ended: StageTime | undefined } {
    const now = Date.parse(at);
    const stage = stageOf(phase) ?? this.#current?.stage ?? "waiting for its turn";
    if (this.#current !== undefined) this.#current.until = now;
    if (stage === this.#current?.stage) return { stage, ended: undefined };
    const ended = this.end();
    this.#current = { stage, since: now, until: now };
    return { stage, ended };
  }

  /** The stage under way ends with the last event. */
  end(): StageTime | undefined {
    if (this.#current === undefined) return undefined;
    const { stage, since, until } = this.#current;
    const milliseconds = Math.max(0, until - since);
    this.#times.set(stage, (this.#times.get(stage) ?? 0) + milliseconds);
    this.#current = undefined;
    return { stage, milliseconds };
  }

  /** Of all that ended, in the order in which they first began. */
  times(): StageTime[] {
    return [...this.#times].map(([stage, milliseconds]) => ({ stage, milliseconds }));
  }
}

function stageOf(phase: string): Stage | undefined {
  // A newer daemon may know more of them.
  return Object.hasOwn(STAGES, phase) ? STAGES[phase as Phase] : undefined;
}
