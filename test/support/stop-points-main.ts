import { environment } from "../../src/system/environment.ts";
import { runDaemon } from "./daemon-main.ts";
import { STOP_AT, withStopPoints } from "./stop-points.ts";

/** The daemon, built with stop points: `bun build.ts --entry test/support/stop-points-main.ts`. */

void runDaemon(() => (ports) => withStopPoints(ports, environment[STOP_AT] ?? ""));
