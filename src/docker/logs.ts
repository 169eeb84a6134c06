import { DeployerError } from "../core/errors.ts";
import { refused } from "./answer.ts";
import { containerPath, inspect } from "./inspect.ts";
import { framedLines, rawLines } from "./log-lines.ts";
import type { Transport } from "./transport.ts";

const LOGS_DEADLINE_MS = 15_000;
/** Of output read for one call. With the lines' own limit this bounds the answer too. */
const MAX_BYTES = 32 * 1024 * 1024;
const MAX_LINES = 1_000;

/** The last `lines` lines a container printed, stdout and stderr in the order Docker kept them; at most a thousand. */
export async function readLogs(transport: Transport, id: string, lines: number): Promise<string[]> {
  const inspection = await inspect(transport, id);
  if (inspection === undefined)
    throw new DeployerError("docker", `container ${id} is gone, and its output with it`);
  const limit = Math.min(lines, MAX_LINES);
  const collected = inspection.Config.Tty ? rawLines(limit) : framedLines(limit);
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(
      new DeployerError("docker", `Docker did not deliver the output of container ${id} in time`),
    );
  }, LOGS_DEADLINE_MS);
  try {
    const response = await transport.open({
      method: "GET",
      path: `${containerPath(id)}/logs`,
      query: { stdout: "1", stderr: "1", tail: String(limit) },
      deadlineMs: LOGS_DEADLINE_MS,
      signal: deadline.signal,
    });
    if (response.status !== 200) {
      throw refused(
        { status: response.status, text: await response.text() },
        `read the output of container ${id}`,
      );
    }
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      collected.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > MAX_BYTES) break;
    }
    return collected.end();
  } catch (error) {
    if (error instanceof DeployerError) throw error;
    throw new DeployerError("docker", `Docker stopped in the middle of the output of container ${id}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}
