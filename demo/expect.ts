import type { Daemon } from "../test/support/daemon.ts";
import { waitFor } from "../test/support/wait.ts";
import type { Scene } from "./scene.ts";
import type { Answer } from "./shell.ts";
import type { Show } from "./show.ts";

const LOG_DEADLINE = 30_000;
/** A container that was started again answers as soon as its server listens. */
const SERVE_DEADLINE = 10_000;

export function expect(what: string, holds: boolean): void {
  if (!holds) throw new Error(`this step did not show that ${what}`);
}

export function expectAnswer(answer: Answer, status: number, text: string): void {
  expect(`the answer is ${status} ${text.trimEnd()}`, answer.status === status && answer.text === text);
}

/** Asks the service `web` for its version, as anybody would. */
export async function expectServing(scene: Scene, version: string): Promise<void> {
  await waitFor("web to answer", SERVE_DEADLINE, () => answers(scene.webUrl));
  const answer = await scene.shell.curl(`curl ${scene.webUrl}`);
  expect(`${version} serves`, answer.status === 200 && answer.text === version);
}

/** The running container of a service. */
export async function containerOf(scene: Scene, service: string): Promise<string> {
  const containers = await scene.project.containers();
  const running = containers.filter((one) => one.service === service && one.state === "running");
  expect(`one container of ${service} runs`, running.length === 1);
  return running[0]?.id ?? "";
}

/** Waits for these messages, in this order, in the log from its line `from` on, and shows them. */
export async function expectLog(
  daemon: Daemon,
  from: number,
  show: Show,
  messages: readonly string[],
): Promise<void> {
  let next = from;
  for (const message of messages) {
    const index = await waitFor(`"${message}" in the log`, LOG_DEADLINE, () => {
      const found = daemon.log().findIndex((line, at) => at >= next && line.message === message);
      return found === -1 ? undefined : { found };
    });
    next = index.found + 1;
    const line = daemon.log()[index.found];
    if (line !== undefined) show.log(line);
  }
}

async function answers(url: string): Promise<boolean> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(SERVE_DEADLINE) }).catch(() => undefined);
  return reply?.ok === true;
}
