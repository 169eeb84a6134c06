import type { ToldEvent } from "./deployment-record.ts";
import type { DockerClient } from "./docker-client.ts";
import { addressOf } from "./observe.ts";
import type { Answer } from "./peer-answer.ts";
import { type Peer, startHostPeer, startPeer } from "./peer.ts";
import type { Project } from "./project.ts";

/** A peer container and this machine, who ask the same services for their pages, all the time. */
export type Witnesses = {
  /** Waits until each of them (or the one) gets such an answer to a question asked from now on. */
  next(service: string, fits: (answer: Answer) => boolean, who?: Witness): Promise<void>;
  /** What they (or the one) were answered, asked for at `since` or later. */
  answers(service: string, since: number, who?: Witness): Answer[];
  /** The peer's container was started anew, so it has another network: the peer asks from there from now on. */
  renewPeer(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

type Witness = "peer" | "host";

/** A service and, for this machine, the port that it publishes; without one it is asked at the address it has now. */
type Witnessed = { service: string; port: number | undefined };

const PER_SECOND = 5;

/** For projects with `peerService` in them. */
export async function startWitnesses(
  project: Project,
  services: readonly Witnessed[],
  docker?: DockerClient,
): Promise<Witnesses> {
  const urls = { peer: new Map<string, string>(), host: new Map<string, string>() };
  for (const { service, port } of services) {
    const where =
      port === undefined ? `${await addressOf(project, service, docker)}:8080` : `127.0.0.1:${port}`;
    urls.host.set(service, `http://${where}/`);
    urls.peer.set(service, `http://${service}:8080/`);
  }
  const targets = (who: Witness) => [...urls[who].values()].map((url) => ({ url, perSecond: PER_SECOND }));
  const stack = new AsyncDisposableStack();
  const asked: Record<Witness, Peer[]> = { peer: [], host: [] };

  async function begin(who: Witness): Promise<void> {
    const start = who === "peer" ? startPeer(project, targets(who), docker) : startHostPeer(targets(who));
    asked[who].push(stack.use(await start));
  }

  const each = (who: Witness | undefined): Witness[] => (who === undefined ? ["peer", "host"] : [who]);
  const urlOf = (who: Witness, service: string) => urls[who].get(service) ?? `nobody asks ${service}`;
  try {
    await begin("peer");
    await begin("host");
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
  return {
    async next(service, fits, who) {
      for (const one of each(who)) await asked[one].at(-1)?.next(urlOf(one, service), fits);
    },
    answers: (service, since, who) =>
      each(who).flatMap((one) => asked[one].flatMap((peer) => peer.answers(urlOf(one, service), since))),
    async renewPeer() {
      await asked.peer.at(-1)?.[Symbol.asyncDispose]();
      await begin("peer");
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What a deployment has said of itself. */
type Told = {
  old: string;
  candidate: string;
  /** From its end on; undefined: nothing. */
  serving: string | undefined;
  events: readonly ToldEvent[];
};

/**
 * The answers that nobody may get in a deployment: of a version that is neither the old one nor the candidate; of the
 * candidate before the switch, which is told of before it is done; after the end, of another than serves then.
 */
export function wrongAnswers(
  answers: readonly Answer[],
  { old, candidate, serving, events }: Told,
): Answer[] {
  const timeOf = (wanted: string) => {
    const event = events.find(({ phase }) => phase === wanted);
    return event === undefined ? Number.POSITIVE_INFINITY : Date.parse(event.at);
  };
  const switchedAt = timeOf("switching");
  const endedAt = timeOf("ended");
  if (endedAt === Number.POSITIVE_INFINITY) throw new Error("the deployment has not ended yet");
  return answers.filter(({ version, at, took }) => {
    if (version === undefined) return false;
    if (at > endedAt) return version !== serving;
    return version === candidate ? at + took < switchedAt : version !== old;
  });
}

/** The longest time from `since` on in which there was no answer; milliseconds. */
export function longestGap(answers: readonly Answer[], since: number): number {
  const arrivals = answers.filter(({ version }) => version !== undefined).map(({ at, took }) => at + took);
  const times = [since, ...arrivals.toSorted((a, b) => a - b)];
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
}
