import { join } from "node:path";

import { z } from "zod";

import type { DockerClient } from "./docker-client.ts";
import { Answer, type Target } from "./peer-answer.ts";
import type { Project } from "./project.ts";
import { BASE_ENV } from "./run.ts";
import { stage } from "./stage.ts";
import { endProcess, tied } from "./tied-process.ts";
import { waitFor } from "./wait.ts";

/** Somebody who asks services for their page, all the time, and keeps every answer. */
export type Peer = {
  /** In the order of their arrival; of one target, asked for at `since` or later. */
  answers(url: string, since?: number): Answer[];
  /** Waits for an answer to a question asked from now on. */
  next(url: string, fits: (answer: Answer) => boolean, deadline?: number): Promise<Answer>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** For compose files: a service that does nothing, for `startPeer` to live in. */
export function peerService(image: string): string {
  return `  peer:\n    image: ${image}\n    entrypoint: ["/bin/sleep", "1000000"]\n    stop_signal: SIGKILL\n`;
}

const SCRIPT = join(import.meta.dir, "peer-main.ts");
const START_DEADLINE = 20_000;
const ANSWER_DEADLINE = 20_000;

const Inspection = z.object({ State: z.object({ Pid: z.number().positive() }) });

/**
 * Asks from within the network of the project's service `peer`: its interfaces, its routes, Docker's DNS. Only the network
 * is the container's; the program is ours, because nothing in the test app's image could ask 200 times a second.
 */
export async function startPeer(
  project: Project,
  targets: readonly Target[],
  docker: DockerClient = stage().docker,
): Promise<Peer> {
  return await start(await inNetworkOf(project, docker), targets);
}

/** What a command line begins with that is to run in the network of the project's service `peer`. */
export async function inNetworkOf(
  project: Project,
  docker: DockerClient = stage().docker,
): Promise<string[]> {
  const container = (await project.containers()).find(({ service }) => service === "peer");
  if (container === undefined) throw new Error("the project has no service named peer");
  const inspection = await docker.api(`/containers/${container.id}/json`);
  const { State } = Inspection.parse(await inspection.json());
  return ["nsenter", `--net=/proc/${State.Pid}/ns/net`];
}

/** Asks from this machine, by address: `http://127.0.0.1:<published port>/`, or a container's own address. */
export function startHostPeer(targets: readonly Target[]): Promise<Peer> {
  return start([], targets);
}

async function start(prefix: readonly string[], targets: readonly Target[]): Promise<Peer> {
  const child = Bun.spawn(tied([...prefix, process.execPath, SCRIPT, JSON.stringify(targets)]), {
    env: BASE_ENV,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    detached: true,
  });
  const kept = new Map<string, Answer[]>(targets.map(({ url }) => [url, []]));
  let started = false;
  const read = readLines(child.stdout, (line) => {
    if (started) keep(Answer.parse(JSON.parse(line)));
    started = true;
  });

  function keep(answer: Answer): void {
    kept.get(answer.url)?.push(answer);
  }

  function answers(url: string, since = 0): Answer[] {
    const all = kept.get(url);
    if (all === undefined) throw new Error(`nobody asks ${url}`);
    return all.filter(({ at }) => at >= since);
  }

  const peer: Peer = {
    answers,
    next(url, fits, deadline = ANSWER_DEADLINE) {
      const since = Date.now();
      return waitFor(`${url} to answer as wanted`, deadline, () => answers(url, since).find(fits)).catch(
        (cause: unknown) => {
          throw new Error(`the last answers: ${JSON.stringify(answers(url, since).slice(-5))}`, { cause });
        },
      );
    },
    async [Symbol.asyncDispose]() {
      await endProcess(child);
      await read;
    },
  };
  await waitFor("a peer to start", START_DEADLINE, () => {
    if (child.exitCode !== null) throw new Error(`the peer ended with ${child.exitCode}`);
    return started;
  });
  return peer;
}

async function readLines(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
}
