import type { Daemon } from "../../test/support/daemon.ts";
import { eventsOf, idOf } from "../../test/support/deployment-record.ts";
import { startRoutedScene } from "../../test/support/routed-scene.ts";
import { startScene } from "../../test/support/scene.ts";
import { stage } from "../../test/support/stage.ts";
import { publishWeb } from "../../test/support/web-image.ts";
import { median, spread } from "../report.ts";
import { say } from "../stage.ts";
import { webService } from "../lanes/deployments.ts";

/** What took how long, milliseconds: from the webhook to the reply, and each step until the next is told. */
type Duration = { total: number; steps: Map<string, number> };

export type Durations = {
  edge: Duration[];
  plain: Duration[];
  /** Bytes of the daemons, before the first deployment and after the last. */
  memory: Record<"edge" | "plain", { before: number; after: number }>;
};

/** By the event that begins it. */
const STEPS: Record<string, string> = {
  asked: "until it has its turn",
  accepted: "until it has its turn",
  started: "the digest",
  resolved: "the pull",
  pulled: "the edge as the file says, what has changed",
  strategy: "what depends on it",
  creating: "Compose creates the container",
  gating: "it starts unseen, three good answers",
  switching: "it gets its names, three good answers; the edge reaches it",
  edge: "the watch of 1 s, written down",
  watching: "the watch of 1 s, written down",
  committed: "the old one's sessions end, it stops and goes",
  removed: "the end",
  ended: "the end",
};

/** Rolling deployments of new images, with and without an edge, in turn; nobody asks for anything meanwhile. */
export async function measureDurations(rounds: number, signal: AbortSignal): Promise<Durations> {
  const { registry } = stage();
  const repository = `plain${crypto.randomUUID().slice(0, 8)}/web`;
  const publish = async (tag: string) =>
    (await publishWeb(registry, { repository, tag, version: tag })).reference;
  const compose = async () =>
    `services:\n  web:\n    image: ${await publish("v1")}\n    stop_grace_period: 10s\n    x-deployer: { strategy: rolling, port: 8080, health: /health, watch: 1s }\n`;
  await using plain = await startScene({ compose });
  await using edge = await startRoutedScene({ services: (image) => webService(image, "1s") });
  const before = { edge: edge.daemon.rss(), plain: plain.daemon.rss() };
  const durations: Pick<Durations, "edge" | "plain"> = { edge: [], plain: [] };
  for (let round = 1; round <= rounds; round += 1) {
    signal.throwIfAborted();
    const tag = `v${round + 1}`;
    durations.edge.push(await timed(edge.daemon, await edge.publish(tag)));
    durations.plain.push(await timed(plain.daemon, await publish(tag)));
    say(`deployments, round ${round} of ${rounds}`);
  }
  const memory = {
    edge: { before: before.edge, after: edge.daemon.rss() },
    plain: { before: before.plain, after: plain.daemon.rss() },
  };
  return { ...durations, memory };
}

async function timed(daemon: Daemon, image: string): Promise<Duration> {
  const begin = Date.now();
  const reply = await daemon.deploy({ service: "web", image });
  const end = Date.now();
  if (reply.status !== 200) throw new Error(`${reply.status} ${reply.text}`);
  const steps = new Map<string, number>();
  let last = { phase: "asked", at: begin };
  const told = (await eventsOf(daemon, idOf(reply))).map(({ phase, at }) => ({ phase, at: Date.parse(at) }));
  for (const next of [...told, { phase: "", at: end }]) {
    const step = STEPS[last.phase] ?? last.phase;
    steps.set(step, (steps.get(step) ?? 0) + next.at - last.at);
    last = next;
  }
  return { total: end - begin, steps };
}

export function durationLines({ edge, plain }: Durations): string[] {
  const step = (all: Duration[], name: string) => median(all.map(({ steps }) => steps.get(name) ?? 0));
  const total = (all: Duration[]) => spread(all.map(({ total }) => total));
  return [
    `A rolling deployment of a new image, ${edge.length} of each in turn, without visitors; milliseconds, median (least-most). The application takes 300 to listen.`,
    "",
    "| | behind the edge | without an edge |",
    "|---|---|---|",
    `| from the webhook to the reply | ${total(edge)} | ${total(plain)} |`,
    ...[...new Set(Object.values(STEPS))].map(
      (name) => `| ${name} | ${Math.round(step(edge, name))} | ${Math.round(step(plain, name))} |`,
    ),
  ];
}
