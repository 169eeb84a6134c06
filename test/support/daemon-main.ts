import { checkConfig } from "../../src/config.ts";
import type { Ports } from "../../src/core/ports.ts";
import { startDaemon } from "../../src/daemon.ts";
import { environment } from "../../src/system/environment.ts";
import { openLog } from "../../src/system/log.ts";
import { currentUser } from "../../src/system/user.ts";
import { VERSION } from "../../src/version.ts";

const FLUSH_MS = 2_000;

/** The daemon as the program runs it, for builds that look into it. `prepare` gets STATE_DIR and gives the ports their wrap. */
export async function runDaemon(prepare: (stateDir: string) => (ports: Ports) => Ports): Promise<never> {
  const checked = checkConfig(environment, currentUser(environment));
  if ("problems" in checked) throw new Error(checked.problems.map(({ line }) => line).join("\n"));
  const { config } = checked;
  const { log, flush } = openLog(process.stdout.fd, { timeZone: config.logTimeZone, now: Date.now });
  const daemon = startDaemon(config, environment, VERSION, log, prepare(config.stateDir));
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  await daemon.stop();
  await flush(FLUSH_MS);
  process.exit(0);
}
