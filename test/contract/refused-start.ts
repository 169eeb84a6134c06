import { expect } from "bun:test";

import type { LogLine } from "../support/daemon-log.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../support/daemon.ts";
import { stage } from "../support/stage.ts";

const START_DEADLINE = 10_000;

/** Starts the program where nothing it needs later is reached: no Docker, no AWS, no compose file. */
export function startAlone(options: Partial<DaemonOptions> = {}): Promise<Daemon> {
  return startDaemon({
    binary: stage().binary,
    dockerHost: "unix:///nonexistent/docker.sock",
    composeFile: "/nonexistent/docker-compose.yml",
    ecrDomain: "127.0.0.1:9",
    ecrUrl: "http://127.0.0.1:9",
    ...options,
  });
}

/** Starts the program, which must end with 1 and say why in exactly one line; returns its message. */
export async function refusedStart(options: Partial<DaemonOptions> = {}): Promise<string> {
  await using daemon = await startAlone({ ...options, waitForHealth: false });
  const code = await Promise.race([daemon.exit, Bun.sleep(START_DEADLINE)]);
  const complaints = daemon.log().filter(({ level }) => level !== "info");
  expect({ code, noise: daemon.noise(), complaints }).toEqual({
    code: 1,
    noise: "",
    complaints: [expect.objectContaining({ level: "fatal" }) as LogLine],
  });
  return complaints[0]?.message ?? "";
}
