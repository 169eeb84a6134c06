import { createConnection } from "node:net";
import { join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import { codeOf } from "../system/folder-error.ts";
import { complaintIn } from "./said.ts";

/** HAProxy answers at once, but for a machine that is busy. */
const ANSWER_DEADLINE_MS = 5_000;
/** A reload loads configuration and certificates anew before it is answered. */
const RELOAD_DEADLINE_MS = 60_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** The command-line interface of a running HAProxy (management guide, section 9.3). Failures are `edge` errors. */
export type Cli = {
  /** The answer of the worker that accepts connections to one command. */
  ask: (command: string) => Promise<string>;
  /** The answers of all workers, also of those that only have connections of before a reload left. One that has just ended answers with a complaint. */
  askEvery: (command: string) => Promise<string[]>;
  /** All workers. */
  workers: () => Promise<Worker[]>;
  /** Takes up the configuration file. @returns why not, and then everything is as before; undefined when it did */
  reload: () => Promise<string | undefined>;
};

/** One process of the proxy. An old one accepts nothing any more, but has connections of before a reload. */
export type Worker = Pick<Cli, "ask"> & { isOld: boolean };

/** @param runDir folder with the proxy's sockets */
export function createCli(runDir: string): Cli {
  const admin = join(runDir, "admin.sock");
  const master = join(runDir, "master.sock");
  const workers = async (): Promise<Worker[]> =>
    parseProcesses(await exchange(master, "show proc", ANSWER_DEADLINE_MS)).map(({ pid, isOld }) => ({
      isOld,
      ask: (command) => exchange(master, `@!${pid} ${command}`, ANSWER_DEADLINE_MS),
    }));
  return {
    ask: (command) => exchange(admin, command, ANSWER_DEADLINE_MS),
    async askEvery(command) {
      return await Promise.all((await workers()).map(({ ask }) => ask(command)));
    },
    workers,
    async reload() {
      const answer = await exchange(master, "reload", RELOAD_DEADLINE_MS);
      return answer.startsWith("Success=1") ? undefined : complaintIn(answer.split("\n"));
    },
  };
}

/** The workers in `show proc`; the old ones stand under a heading of their own (management guide, section 9.4). */
export function parseProcesses(processes: string): { pid: string; isOld: boolean }[] {
  const [current = "", old = ""] = processes.split(/^# old workers$/m);
  const pids = (section: string) => [...section.matchAll(/^(\d+)\s+worker\s/gm)].map(([, pid = ""]) => pid);
  return [
    ...pids(current).map((pid) => ({ pid, isOld: false })),
    ...pids(old).map((pid) => ({ pid, isOld: true })),
  ];
}

/** HAProxy closes the connection after the answer; its master does so when it is told that nothing follows. */
function exchange(socket: string, command: string, deadlineMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  const connection = createConnection(socket);
  const fail = (why: string, cause?: unknown) => {
    reject(new DeployerError("edge", `the edge does not answer (${socket}): ${why}`, { cause }));
    connection.destroy();
  };
  const timer = setTimeout(() => fail(`nothing within ${deadlineMs / 1000} s`), deadlineMs);
  connection
    .on("connect", () => connection.end(`${command}\n`))
    .on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MOST_BYTES) fail("the answer is too long");
    })
    .on("end", () => {
      resolve(Buffer.concat(chunks).toString());
      connection.destroy();
    })
    .on("close", () => {
      clearTimeout(timer);
      fail("the connection was closed");
    })
    .on("error", (error) => fail(connectFailure(error), error));
  return promise;
}

function connectFailure(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
    case "ECONNREFUSED":
      return "it does not run; see docker ps and the log of its container";
    case "EACCES":
      return "permission denied; the socket is for the user who runs the daemon";
    default:
      return error instanceof Error ? error.message : "unknown error";
  }
}
