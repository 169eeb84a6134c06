import type { Container, Healthcheck } from "../../src/core/engine.ts";

/** How containers of an image live once they are started; without any of these they run on. */
export type Life = {
  /** Docker refuses to start them. */
  cannotStart?: string;
  /** They end after so many milliseconds. */
  exits?: { after: number; code: number; oomKilled?: boolean };
  /** How its one-off containers end; without it with 0 after 100 ms. */
  oneOff?: { after: number; code: number; oomKilled?: boolean };
  /** Docker restarts them after so many milliseconds; it is seen running again at once. */
  restartsAfter?: number;
  /** When Docker, at its own interval, sees them healthy or unhealthy. */
  healthyAfter?: number;
  unhealthyAfter?: number;
  /** An image with a HEALTHCHECK, which every one with `healthyAfter` or `unhealthyAfter` has. */
  healthcheck?: Partial<Healthcheck>;
  /** From when on its command passes, and fails again; without them as `healthyAfter` and `unhealthyAfter`. */
  execFailsUntil?: number;
  execFailsAfter?: number;
  /** What it answers at an age of so many milliseconds; without it always 200. */
  http?: (ageMs: number) => number | "refused";
  /** What it prints. */
  prints?: string[];
  /** An image that exposes port 80. */
  exposesPorts?: boolean;
  /** A volume of the image that nobody names. */
  anonymousVolume?: boolean;
  /** Of the image; without it `amd64`, as the engine. */
  architecture?: string;
};

const ONE_OFF_END: Life["oneOff"] = { after: 100, code: 0 };

export function healthcheckOf(life: Life): Healthcheck | undefined {
  const { healthcheck, healthyAfter, unhealthyAfter, execFailsUntil, execFailsAfter } = life;
  const signs = [healthcheck, healthyAfter, unhealthyAfter, execFailsUntil, execFailsAfter];
  if (signs.every((sign) => sign === undefined)) return undefined;
  return {
    argv: ["/bin/healthy"],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    retries: 3,
    ...healthcheck,
  };
}

/** Whether the command of its HEALTHCHECK passes at this age. */
export function passes(life: Life, ageMs: number): boolean {
  const { execFailsUntil = life.healthyAfter ?? 0, execFailsAfter = life.unhealthyAfter ?? Infinity } = life;
  return ageMs >= execFailsUntil && ageMs < execFailsAfter;
}

/** Lets a container have lived up to now. */
export function live(container: Container, life: Life, now: number): void {
  if (container.state !== "running") return;
  const age = ageOf(container, now);
  const exits = container.oneOff ? (life.oneOff ?? ONE_OFF_END) : life.exits;
  if (exits !== undefined && age >= exits.after) {
    end(container, exits.code, now - age + exits.after);
    container.oomKilled = exits.oomKilled ?? false;
  } else if (life.restartsAfter !== undefined && age >= life.restartsAfter) {
    container.restarts += 1;
    container.exitCode = 1;
    container.startedAt = timeOf(now);
  }
  if (life.healthyAfter !== undefined) container.health = age >= life.healthyAfter ? "healthy" : "starting";
  if (life.unhealthyAfter !== undefined && age >= life.unhealthyAfter)
    Object.assign(container, { health: "unhealthy", healthOutput: "not well" });
}

export function ageOf({ startedAt }: Container, now: number): number {
  return now - Date.parse(startedAt);
}

export function end(container: Container, exitCode: number, at: number): void {
  Object.assign(container, { state: "exited", exitCode, finishedAt: timeOf(at) });
  for (const attachment of container.networks) attachment.address = "";
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
