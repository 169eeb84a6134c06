import type { Daemon } from "../test/support/daemon.ts";
import { freePort } from "../test/support/free-port.ts";
import type { Project } from "../test/support/project.ts";
import { type Aws, stageDaemon, stageProject, startAws } from "../test/support/stage.ts";
import { median, report, spread } from "./report.ts";
import { onStage, say } from "./stage.ts";

/** `bun bench/deploy.ts`: deployments by webhook against the two commands a person types, in turn, on equal projects. */

const ROUNDS = 15;
const IMAGE_BYTES = 2 * 1024 * 1024;
const POLL_MS = 2;
const SERVES_DEADLINE_MS = 60_000;
/** Short: a connection to a container that is just starting may be retried by TCP only after a second. */
const ANSWER_DEADLINE_MS = 40;

type Side = { name: string; url: string; deploy: () => Promise<void> };
/** Milliseconds from the start of the deployment. */
type Times = { done: number; serves: number; gap: number };
type Pair<T> = { hook: T[]; hand: T[] };

await onStage(async () => {
  await using aws = await startAws();
  const ports = { hook: freePort(), hand: freePort() };
  await publish(aws, "hand", 0);
  await publish(aws, "hook", 0);
  await using handProject = stageProject({ compose: compose(aws, "hand", ports.hand) });
  await using hookProject = stageProject({
    compose: compose(aws, "hook", ports.hook),
    watch: "as written",
  });
  const { password } = aws.ecr.tokens.issue();
  await handProject.login(aws.registry.address, "AWS", password);
  await handProject.compose("up", "-d");
  await using daemon = await stageDaemon(hookProject, aws);
  await daemon.waitForLog((line) => line.message === "services are up");

  const hand: Side = {
    name: "hand",
    url: `http://127.0.0.1:${ports.hand}/`,
    deploy: () => byHand(handProject),
  };
  const hook: Side = {
    name: "hook",
    url: `http://127.0.0.1:${ports.hook}/`,
    deploy: () => byWebhook(daemon),
  };
  await hook.deploy();
  const unchanged = await alternate(hook, hand, timed);
  let version = 0;
  const changed = await alternate(hook, hand, async (side) => {
    version += 1;
    await publish(aws, side.name, version);
    return await untilServed(side, `${side.name}-${version}`);
  });
  report("deploy", table(unchanged, changed));
});

function compose(aws: Aws, name: string, port: number): string {
  return `services:
  web:
    image: ${aws.repository(name)}:latest
    ports: ["127.0.0.1:${port}:8080"]
`;
}

async function publish(aws: Aws, name: string, version: number): Promise<void> {
  await aws.publish(name, "latest", { version: `${name}-${version}`, payloadBytes: IMAGE_BYTES });
}

async function byHand(project: Project): Promise<void> {
  await project.compose("pull", "web");
  await project.compose("up", "-d");
}

async function byWebhook(daemon: Daemon): Promise<void> {
  const reply = await daemon.deploy({ service: "web" });
  if (reply.status !== 200) throw new Error(`${reply.status} ${reply.text}`);
}

async function alternate<T>(hook: Side, hand: Side, once: (side: Side) => Promise<T>): Promise<Pair<T>> {
  const times: Pair<T> = { hook: [], hand: [] };
  for (let round = 1; round <= ROUNDS; round += 1) {
    times.hook.push(await once(hook));
    times.hand.push(await once(hand));
    say(`round ${round} of ${ROUNDS}`);
  }
  return times;
}

async function timed({ deploy }: Side): Promise<number> {
  const started = performance.now();
  await deploy();
  return performance.now() - started;
}

/** Asks the published port all the while: when the new version first answers, and how long nobody answered before that. */
async function untilServed({ url, deploy }: Side, version: string): Promise<Times> {
  const started = performance.now();
  const deployed = deploy().then(() => performance.now() - started);
  let lastAnswer = started;
  let gap = 0;
  for (;;) {
    const answer = await ask(url);
    const now = performance.now();
    if (answer !== undefined) {
      gap = Math.max(gap, now - lastAnswer);
      lastAnswer = now;
    }
    if (answer === version) return { serves: now - started, gap, done: await deployed };
    if (now - started > SERVES_DEADLINE_MS) throw new Error(`${version} was not served in time`);
    await Bun.sleep(POLL_MS);
  }
}

async function ask(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { keepalive: false, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
    return (await response.text()).trim();
  } catch {
    return undefined;
  }
}

function table(unchanged: Pair<number>, changed: Pair<Times>): string[] {
  const times = (side: Times[], pick: (times: Times) => number): number[] => side.map(pick);
  const row = (what: string, hook: number[], hand: number[]): string =>
    `| ${what} | ${spread(hook)} | ${spread(hand)} | ${(median(hook) / median(hand)).toFixed(2)} |`;
  const both = (what: string, pick: (times: Times) => number): string =>
    row(what, times(changed.hook, pick), times(changed.hand, pick));
  return [
    `${ROUNDS} rounds, webhook and hand in turn on equal projects; milliseconds, median (least-most). By hand: \`docker compose pull web\`, then \`docker compose up -d\`.`,
    "",
    "| | webhook | by hand | ratio |",
    "|---|---|---|---|",
    row("nothing changed, until the reply", unchanged.hook, unchanged.hand),
    both("new image of 2 MB, until the new version serves", ({ serves }) => serves),
    both("the longest time nobody answered", ({ gap }) => gap),
    both(
      "until the reply (webhook: the new version has stayed up 3 s and was watched for 10 s)",
      ({ done }) => done,
    ),
  ];
}
