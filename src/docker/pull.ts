import { DeployerError } from "../core/errors.ts";
import type { Credential, PullProgress } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { engineMessage, parseJson } from "./answer.ts";
import { registryFailure } from "./failures.ts";
import { createProgressSum, pullLine, type PullLine } from "./pull-progress.ts";
import { registryAuth } from "./registry-auth.ts";
import type { Transport } from "./transport.ts";

/** Without any news from Docker. Unpacking one large layer may be silent for long on older engines. */
const IDLE_DEADLINE_MS = 5 * 60_000;
/** The idle deadline is to strike first: it is the registry that is slow then, not Docker. */
const ANSWER_MARGIN_MS = 5_000;
const PROGRESS_INTERVAL_MS = 300;
const MAX_LINE_LENGTH = 1024 * 1024;

export type Pull = {
  repository: string;
  tagOrDigest: string;
  credential: Credential | undefined;
  /** What it throws stops the pull. */
  progress: (progress: PullProgress) => void;
  signal: AbortSignal;
  /** `os/architecture[/variant]` instead of the engine's own. */
  platform?: string | undefined;
  idleDeadlineMs?: number;
};

/**
 * `POST /images/create`, followed to its last line: an error may come in the middle of a 200.
 * Aborting closes the connection, at which Docker stops the pull (20.10 not before it next has progress to tell).
 * Errors: those of a registry, `wrong_platform`, `disk_full`, `docker`, and what `progress` throws.
 */
export async function pullImage(transport: Transport, clock: Clock, pull: Pull): Promise<void> {
  const { repository, tagOrDigest, platform, idleDeadlineMs = IDLE_DEADLINE_MS } = pull;
  const image = `${repository}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`;
  const idle = idleDeadline(idleDeadlineMs, () => {
    const minutes = idleDeadlineMs / 60_000;
    return new DeployerError(
      "registry_unavailable",
      `the pull of ${image} made no progress for ${minutes} minutes`,
    );
  });
  try {
    const response = await transport.open({
      method: "POST",
      path: "/images/create",
      query: { fromImage: repository, tag: tagOrDigest, ...(platform === undefined ? {} : { platform }) },
      headers: registryAuth(pull.credential),
      deadlineMs: idleDeadlineMs + ANSWER_MARGIN_MS,
      signal: AbortSignal.any([pull.signal, idle.signal]),
    });
    if (response.status !== 200) throw registryFailure(image, engineMessage(await response.text()));
    await followPull(response, image, clock, pull.progress, idle.restart);
  } catch (error) {
    pull.signal.throwIfAborted();
    idle.signal.throwIfAborted();
    if (error instanceof DeployerError) throw error;
    throw new DeployerError("docker", `Docker stopped answering in the middle of the pull of ${image}`, {
      cause: error,
    });
  } finally {
    idle.stop();
  }
}

async function followPull(
  response: Response,
  image: string,
  clock: Clock,
  progress: Pull["progress"],
  onNews: () => void,
): Promise<void> {
  const sum = createProgressSum();
  let reportedAt = Number.NEGATIVE_INFINITY;
  let hasArrived = false;
  for await (const line of pullLines(response, image)) {
    const failure = line.errorDetail?.message || line.error;
    if (failure !== undefined) throw registryFailure(image, failure);
    if (line.status.startsWith("Status: ")) hasArrived = true;
    if (!sum.add(line)) continue;
    onNews();
    if (clock.now() - reportedAt < PROGRESS_INTERVAL_MS) continue;
    reportedAt = clock.now();
    progress(sum.sum());
  }
  if (!hasArrived) {
    throw new DeployerError(
      "docker",
      `Docker ended the pull of ${image} without saying that the image arrived`,
    );
  }
  sum.end();
  progress(sum.sum());
}

/** The JSON lines of a pull, wherever the chunks are cut. */
async function* pullLines(response: Response, image: string): AsyncGenerator<PullLine> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE_LENGTH) throw notUnderstood(image);
    for (const line of lines) {
      if (line.trim() !== "") yield parseLine(line, image);
    }
  }
  rest += decoder.decode();
  if (rest.trim() !== "") yield parseLine(rest, image);
}

function parseLine(line: string, image: string): PullLine {
  const parsed = pullLine.safeParse(parseJson(line));
  if (!parsed.success) throw notUnderstood(image);
  return parsed.data;
}

function notUnderstood(image: string): DeployerError {
  return new DeployerError("docker", `Docker's progress of the pull of ${image} cannot be understood`);
}

function idleDeadline(
  milliseconds: number,
  reason: () => DeployerError,
): { signal: AbortSignal; restart: () => void; stop: () => void } {
  const controller = new AbortController();
  const expire = () => controller.abort(reason());
  let timer = setTimeout(expire, milliseconds);
  return {
    signal: controller.signal,
    restart() {
      clearTimeout(timer);
      timer = setTimeout(expire, milliseconds);
    },
    stop: () => clearTimeout(timer),
  };
}
