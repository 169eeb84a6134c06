import { startLoad } from "../../test/support/load.ts";
import { stage } from "../../test/support/stage.ts";
import { waitFor } from "../../test/support/wait.ts";
import { publishWeb } from "../../test/support/web-image.ts";
import { pause, say } from "../stage.ts";
import { type LaneResult, PER_SECOND, QUIET_MS, type Span } from "./lane.ts";

/** One way to replace a container without us. */
export type ByHand = {
  name: string;
  /** Where visitors come to. */
  port: number;
  /** From the command to its end, when the image is on the host already. */
  swap: (image: string) => Promise<void>;
};

const SERVES_DEADLINE_MS = 30_000;
const ASK_DEADLINE_MS = 1_000;

/** Publishes versions of the lanes' web server, and pulls them: that is done before anything is replaced. */
export function createVersions(): (version: string) => Promise<string> {
  const { docker, registry } = stage();
  const repository = `byhand${crypto.randomUUID().slice(0, 8)}/web`;
  return async (version) => {
    const { reference } = await publishWeb(registry, { repository, tag: version, version });
    await docker.docker("pull", reference);
    return reference;
  };
}

/** Swaps under the load of all lanes, with a pause after each, so that nothing of one is counted for the next. */
export async function swapByHand(
  { name, port, swap }: ByHand,
  versions: (version: string) => Promise<string>,
  swaps: number,
  signal: AbortSignal,
): Promise<LaneResult> {
  await untilServes(port, "v1");
  await using load = await startLoad({ port, service: "web", perSecond: PER_SECOND });
  const spans: Span[] = [];
  await pause(QUIET_MS, signal);
  for (let n = 1; n <= swaps; n += 1) {
    signal.throwIfAborted();
    const version = `v${n + 1}`;
    const image = await versions(version);
    const from = load.mark(version);
    await swap(image);
    await untilServes(port, version);
    spans.push({ from, to: Date.now() - load.startedAt });
    say(`${name}: swap ${n} in ${((Date.now() - load.startedAt - from) / 1_000).toFixed(1)} s`);
    await pause(QUIET_MS, signal);
  }
  return { result: await load.stop(), swaps: spans, ended: {} };
}

async function untilServes(port: number, version: string): Promise<void> {
  await waitFor(`${version} to be served`, SERVES_DEADLINE_MS, async () => {
    try {
      const options = { keepalive: false, signal: AbortSignal.timeout(ASK_DEADLINE_MS) };
      return (await (await fetch(`http://127.0.0.1:${port}/`, options)).text()) === version;
    } catch {
      return false;
    }
  });
}
