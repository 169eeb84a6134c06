import { z } from "zod";

import { DeployerError } from "../core/errors.ts";
import type { ExecResult } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { type Answer, engineMessage, oneLine, parseAnswer, refused } from "./answer.ts";
import { containerPath } from "./inspect.ts";
import { framedLines, lastOf } from "./log-lines.ts";
import type { Transport } from "./transport.ts";

const CREATE_DEADLINE_MS = 10_000;
const LOOK_DEADLINE_MS = 10_000;
/** The command's own deadline is to strike first. */
const START_MARGIN_MS = 5_000;
/** A command may close its output and go on. */
const POLL_MS = 50;
/** Of a command that prints for ever no more is taken apart; the rest is read and dropped, so that it need not wait for us. */
const MAX_BYTES = 1024 * 1024;
const LINES_LOOKED_AT = 10;

const created = z.object({ Id: z.string().regex(/^[0-9a-f]+$/) });
const state = z.object({ Running: z.boolean(), ExitCode: z.number().nullish() });

export type Execution = { id: string; argv: readonly string[]; deadlineMs: number };

/**
 * `docker exec` without a terminal and without input. Of its two output streams Docker keeps no common order. It has no
 * way to end a command: one that is still running at the deadline goes on in its container, until that stops.
 */
export async function execute(
  transport: Transport,
  clock: Clock,
  { id, argv, deadlineMs }: Execution,
): Promise<ExecResult> {
  const command = await create(transport, id, argv);
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadlineMs);
  try {
    const output = await run(transport, command, id, deadlineMs, deadline.signal);
    for (;;) {
      const exitCode = await look(transport, command, id);
      if (exitCode !== undefined || deadline.signal.aborted) return { exitCode, output };
      await clock.sleep(POLL_MS);
    }
  } finally {
    clearTimeout(timer);
  }
}

async function create(transport: Transport, id: string, argv: readonly string[]): Promise<string> {
  const answer = await transport.send({
    method: "POST",
    path: `${containerPath(id)}/exec`,
    body: { AttachStdout: true, AttachStderr: true, Cmd: argv },
    deadlineMs: CREATE_DEADLINE_MS,
  });
  const status = answer.status === 201 ? 200 : answer.status;
  return parseAnswer({ ...answer, status }, created, `run a command in container ${id}`).Id;
}

/** @returns the last line of the output, when that has ended or at the deadline */
async function run(
  transport: Transport,
  command: string,
  id: string,
  deadlineMs: number,
  deadline: AbortSignal,
): Promise<string> {
  const lines = framedLines(LINES_LOOKED_AT);
  try {
    const response = await transport.open({
      method: "POST",
      path: `/exec/${command}/start`,
      body: { Detach: false, Tty: false },
      deadlineMs: deadlineMs + START_MARGIN_MS,
      signal: deadline,
    });
    if (response.status !== 200) {
      return await notStarted(transport, command, id, {
        status: response.status,
        text: await response.text(),
      });
    }
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      if (bytes < MAX_BYTES) lines.push(chunk);
      bytes += chunk.byteLength;
    }
  } catch (error) {
    if (!deadline.aborted) {
      if (error instanceof DeployerError) throw error;
      throw new DeployerError("docker", `Docker stopped in the middle of a command in container ${id}`, {
        cause: error,
      });
    }
  }
  return lastOf(lines);
}

/** A program that is not in the container is an exit code too (126, 127): newer engines refuse to start it, older ones print why. */
async function notStarted(
  transport: Transport,
  command: string,
  id: string,
  answer: Answer,
): Promise<string> {
  const exitCode = await look(transport, command, id).catch(() => undefined);
  if (exitCode === undefined) throw refused(answer, `run a command in container ${id}`);
  return oneLine(engineMessage(answer.text));
}

/** @returns its exit code, undefined while it runs */
async function look(transport: Transport, command: string, id: string): Promise<number | undefined> {
  const answer = await transport.send({
    method: "GET",
    path: `/exec/${command}/json`,
    deadlineMs: LOOK_DEADLINE_MS,
  });
  const { Running, ExitCode } = parseAnswer(answer, state, `tell how a command in container ${id} ended`);
  return Running ? undefined : (ExitCode ?? undefined);
}
