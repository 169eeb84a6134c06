import type { PullProgress } from "../core/engine.ts";
import type { Clock, Log } from "../core/ports.ts";

const REPORT_INTERVAL_MS = 2_000;

/** A pull as the log tells it: its start, a line every other second, its end. */
export type PullReport = { progress: (progress: PullProgress) => void; done: () => void };

export function createPullReport(image: string, log: Log, clock: Clock): PullReport {
  const startedAt = clock.now();
  let reportedAt = startedAt;
  let last: PullProgress = { downloadedBytes: 0, unpackedBytes: 0, totalBytes: 0, layers: 0, layersDone: 0 };
  log.info("pull started", { image });

  return {
    progress(progress) {
      last = progress;
      if (clock.now() - reportedAt < REPORT_INTERVAL_MS) return;
      reportedAt = clock.now();
      log.info("pull in progress", { image, percent: percentOf(progress), ...progress });
    },
    done() {
      const { downloadedBytes, layers } = last;
      log.info("pull finished", {
        image,
        seconds: (clock.now() - startedAt) / 1000,
        downloadedBytes,
        layers,
      });
    },
  };
}

function percentOf({ downloadedBytes, totalBytes }: PullProgress): number {
  return totalBytes === 0 ? 0 : Math.floor((100 * downloadedBytes) / totalBytes);
}
