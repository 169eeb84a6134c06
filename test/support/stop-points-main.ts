import { environment } from "../../src/system/environment.ts";
import { checkConfig } from "../../src/config.ts";
import { startDaemon } from "../../src/daemon.ts";
import { openLog } from "../../src/system/log.ts";
import { currentUser } from "../../src/system/user.ts";
import { VERSION } from "../../src/version.ts";
import { STOP_AT, withStopPoints } from "./stop-points.ts";

/** The daemon, built with stop points: `bun build.ts --entry test/support/stop-points-main.ts`. */

const FLUSH_MS = 2_000;

void main().then(() => process.exit(0));

async function main(): Promise<void> {
  const checked = checkConfig(environment, currentUser(environment));
  if ("problems" in checked) throw new Error(checked.problems.map(({ line }) => line).join("\n"));
  const { log, flush } = openLog(process.stdout.fd, { timeZone: checked.config.logTimeZone, now: Date.now });
  const number = Number(environment[STOP_AT] ?? "0");
  const daemon = startDaemon(checked.config, environment, VERSION, log, (ports) =>
    withStopPoints(ports, number),
  );
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  await daemon.stop();
  await flush(FLUSH_MS);
}
