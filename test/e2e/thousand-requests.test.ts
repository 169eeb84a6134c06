import { expect, test } from "bun:test";

import type { Daemon, Reply } from "../support/daemon.ts";
import { idOf, recordOf } from "../support/deployment-record.ts";
import { expectVersionInside, lives } from "../support/observe.ts";
import { seededRandom } from "../support/random.ts";
import { startScene } from "../support/scene.ts";
import type { Aws } from "../support/stage.ts";

const SERVICES = ["a", "b", "c", "d", "e"];
/** Of each service; each is sent `COPIES` times, under a key of its own. */
const RUNS = 100;
const COPIES = 2;
const AT_ONCE = 200;
const VERSIONS = 4;
/** What only the newest run of a service asks for. */
const NEWEST = "newest";
const SEED = 20_261_123;

type Request = { service: string; number: number };

test("1,000 requests shuffled, doubled and out of order: the newest run of each service stays, each has one truthful end", async () => {
  await using scene = await startScene({ compose: composeFile });
  const { project, daemon } = scene;
  const requests = shuffled(
    SERVICES.flatMap((service) =>
      Array.from({ length: RUNS * COPIES }, (_, n): Request => ({ service, number: (n % RUNS) + 1 })),
    ),
  );
  expect(requests).toHaveLength(1_000);
  const replies = await sendAll(requests, (request) => send(request, daemon, scene.aws));

  const numbers = new Map<string, number>();
  for (const [index, reply] of replies.entries())
    if (reply.headers.has("Deployer-Deployment")) numbers.set(idOf(reply), requests[index]?.number ?? 0);
  for (const [index, reply] of replies.entries()) await expectTruth(requests[index], reply, numbers, daemon);
  const running = await lives(project);
  expect(running.map(({ service, state }) => [service, state])).toEqual(
    SERVICES.map((service) => [service, "running"]),
  );
  for (const service of SERVICES) await expectVersionInside(project, service, versionOf(RUNS));
}, 120_000);

function versionOf(number: number): string {
  return number === RUNS ? NEWEST : `v${number % VERSIONS}`;
}

async function composeFile(aws: Aws): Promise<string> {
  for (let n = 0; n < VERSIONS; n += 1) await aws.publish("shop", `v${n}`);
  await aws.publish("shop", NEWEST);
  const service = `image: ${aws.repository("shop")}:v0\n    x-deployer: { watch: 0s, health: / }`;
  return `services:\n${SERVICES.map((name) => `  ${name}:\n    ${service}\n`).join("")}`;
}

async function send({ service, number }: Request, daemon: Daemon, aws: Aws): Promise<Reply> {
  const body = {
    service,
    image: `${aws.repository("shop")}:${versionOf(number)}`,
    run: { workflow: "1/.github/workflows/deploy.yml", number },
  };
  return await daemon.deploy(body, { "Idempotency-Key": `${service} ${number}` });
}

/** 200 when it succeeded, as the newest does; else whose newer request took its place, before it was accepted or while it waited. */
async function expectTruth(
  request: Request | undefined,
  reply: Reply,
  numbers: ReadonlyMap<string, number>,
  daemon: Daemon,
): Promise<void> {
  const isAccepted = reply.headers.has("Deployer-Deployment");
  const status = isAccepted ? (await recordOf(daemon, idOf(reply))).status : "refused";
  const said = [reply.status, reply.text.split("\n")[0], status];
  if (status === "succeeded" || request?.number === RUNS)
    expect(said).toEqual([200, `deploy request successful for service ${request?.service}`, "succeeded"]);
  else {
    expect(["superseded", "refused"]).toContain(status);
    expect(said).toEqual([409, expect.stringMatching(/^superseded by \w+$/), status]);
    const by = numbers.get(reply.text.split("\n")[0]?.split(" ").at(-1) ?? "") ?? 0;
    expect(by).toBeGreaterThan(request?.number ?? RUNS);
  }
}

async function sendAll(requests: Request[], each: (request: Request) => Promise<Reply>): Promise<Reply[]> {
  const replies: Reply[] = [];
  const waiting = [...requests.entries()];
  async function work(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, request] = next;
      replies[index] = await each(request);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return replies;
}

function shuffled<T>(items: T[]): T[] {
  const random = seededRandom(SEED);
  return items
    .map((item) => ({ item, place: random() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
