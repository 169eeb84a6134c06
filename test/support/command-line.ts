import { attempt, BASE_ENV, type Result } from "./run.ts";
import type { Scene } from "./scene.ts";
import { stage } from "./stage.ts";

/** A command of the program, as a person on the host gives it to the running daemon. */
export async function command({ daemon, project }: Scene, ...args: string[]): Promise<Result> {
  const env = { ...BASE_ENV, HOME: project.dir, RUN_DIR: daemon.env["RUN_DIR"] ?? "" };
  return await attempt([stage().binary, ...args], { env });
}
