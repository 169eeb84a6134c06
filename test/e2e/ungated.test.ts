import { afterAll, beforeAll, expect, test } from "bun:test";

import { type DeploymentRecord, eventsOf, idOf, recordOf } from "../support/deployment-record.ts";
import { type Peer, peerService, startPeer } from "../support/peer.ts";
import { type Scene, startScene } from "../support/scene.ts";

/** One container, and two of them that are replaced one after the other. */
const SERVICES = [
  { service: "web", url: "http://web/", perSecond: 200 },
  { service: "twins", url: "http://twins/", perSecond: 50 },
];
const BACK_WITHIN_MS = 2_000;
/** Of what was asked for: a peer that falls far behind would show little, one on a busy machine a bit behind shows enough. */
const ASKED_AT_LEAST = 0.5;

const cleanup = new AsyncDisposableStack();
let scene: Scene;
let peer: Peer;

beforeAll(async () => {
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        const drains = { drainFor: 0.3 };
        await aws.publish("web", "v1", drains);
        // It serves from the first moment, and is well later: whoever gets it before that got an ungated one.
        await aws.publish("web", "good", { ...drains, healthyAfter: 2 });
        await aws.publish("web", "never-healthy", { ...drains, healthyAfter: "never" });
        await aws.publish("web", "exits", { exitCode: 3 });
        await aws.publish("web", "sickens", { ...drains, sickAfter: 4 });
        await aws.publish("web", "crashes", { ...drains, crashAfter: 4 });
        return composeFile(aws.repository("web"));
      },
    }),
  );
  peer = cleanup.use(await startPeer(scene.project, SERVICES));
});

afterAll(() => cleanup.disposeAsync());

test.each(["never-healthy", "exits"])(
  "of a rolling candidate that does not pass (%s) no peer gets an answer, and no question fails",
  async (tag) => {
    for (const { url, answers, record } of await deployBoth(tag)) {
      expect([url, record.status]).toEqual([url, "failed"]);
      expect(answers.filter(({ version }) => version !== "v1")).toEqual([]);
    }
  },
);

test.each(["sickens", "crashes"])(
  "when the watch of a rolling one fails (%s), peers are back on the old version within 2 s, and no question fails",
  async (tag) => {
    for (const { url, answers, record, switchedAt, wentBackAt } of await deployBoth(tag)) {
      expect([url, record.status]).toEqual([url, "rolled_back"]);
      expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(["v1", tag]));
      expect(answers.filter(({ at, version }) => version === tag && at < switchedAt)).toEqual([]);
      const late = answers.filter(({ at }) => at > wentBackAt + BACK_WITHIN_MS);
      expect(late.filter(({ version }) => version !== "v1")).toEqual([]);
    }
  },
);

test("a good rolling one gets its first question when it has passed, and no question fails until only it serves", async () => {
  const outcomes = await deployBoth("good");
  for (const { url, answers, record, switchedAt } of outcomes) {
    expect([url, record.status]).toEqual([url, "succeeded"]);
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(["v1", "good"]));
    expect(answers.filter(({ at, version }) => version === "good" && at < switchedAt)).toEqual([]);
    await peer.next(url, ({ version }) => version === "good");
  }
  const since = Date.now();
  await Promise.all(SERVICES.map(({ url }) => peer.next(url, ({ at }) => at > since + BACK_WITHIN_MS)));
  for (const { url } of SERVICES)
    expect(peer.answers(url, since).filter(({ version }) => version !== "good")).toEqual([]);
});

type Outcome = {
  url: string;
  record: DeploymentRecord;
  /** What the peer was answered from the request to some time after the end. */
  answers: ReturnType<Peer["answers"]>;
  /** When it was said that peers find the candidate from now on. */
  switchedAt: number;
  wentBackAt: number;
};

/** Deploys both services at once; no question of the peer may fail meanwhile. */
async function deployBoth(tag: string): Promise<Outcome[]> {
  const { daemon, aws } = scene;
  const since = Date.now();
  const image = `${aws.repository("web")}:${tag}`;
  const outcomes = SERVICES.map(async ({ service, url, perSecond }): Promise<Outcome> => {
    const id = idOf(await daemon.deploy({ service, image }));
    const record = await recordOf(daemon, id);
    const events = await eventsOf(daemon, id);
    await peer.next(url, ({ version }) => version !== undefined);
    const answers = peer.answers(url, since);
    expect(answers.filter(({ failure }) => failure !== undefined)).toEqual([]);
    const seconds = (Date.now() - since) / 1_000;
    expect(answers.length).toBeGreaterThan(seconds * perSecond * ASKED_AT_LEAST);
    const timeOf = (wanted: string) => Date.parse(events.find(({ phase }) => phase === wanted)?.at ?? "");
    return { url, record, answers, switchedAt: timeOf("switching"), wentBackAt: timeOf("going_back") };
  });
  return await Promise.all(outcomes);
}

function composeFile(repository: string): string {
  const text = `image: ${repository}:v1
    environment: { APP_PORT: "80" }
    stop_grace_period: 2s
    x-deployer: { strategy: rolling, port: 80, health: /cgi-bin/health, watch: 8s, timeout: 4s }`;
  return `services:
  web:
    ${text}
  twins:
    ${text}
    deploy: { replicas: 2 }
${peerService(`${repository}:v1`)}`;
}
