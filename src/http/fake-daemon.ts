import { fakeClock } from "../../test/fakes/clock.ts";
import { MAY_ALL } from "../core/caller.ts";
import type { Deployment } from "../core/deployment.ts";
import { accept, begin, end, type Outcome } from "../core/deployment.ts";
import { DeployerError } from "../core/errors.ts";
import type { DeploymentEvent, Phase } from "../core/history.ts";
import type { Rejection } from "../core/rejection.ts";
import type { Log } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import type { Connection } from "./context.ts";
import type { Daemon } from "./daemon.ts";
import { Refusals } from "./refusals.ts";

export const GOOD_TOKEN = "header.claims.good-signature";
export const AUTHORIZED = { Authorization: `Bearer ${GOOD_TOKEN}` };
export const CREATED_AT = Date.parse("2026-11-23T12:00:00.000Z");

const SUCCESS: Outcome = {
  status: "succeeded",
  digests: new Map(),
  diagnoses: [],
  reason: "",
  code: undefined,
  changed: true,
};

type LogLine = { level: string; message: string; fields: Record<string, unknown> };

/** A daemon whose deployments end when the test says so, or at once with `outcome`. */
export function fakeDaemon(changes: Partial<Daemon> & { outcome?: Outcome | undefined } = {}) {
  const { outcome = SUCCESS, ...overrides } = changes;
  const endsAtOnce = !("outcome" in changes) || changes.outcome !== undefined;
  const lines: LogLine[] = [];
  const deployments = new Map<string, Deployment>();
  const calls: string[] = [];
  const events = new Map<string, DeploymentEvent[]>();
  const watchers = new Set<() => void>();
  let isStopping = false;
  const ends = Promise.withResolvers<Outcome>();
  if (endsAtOnce) ends.resolve(outcome);
  let requests = 0;

  const write =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}) =>
      void lines.push({ level, message, fields });

  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    fatal: write("fatal"),
  };
  const rejected: Rejection[] = [];
  const store = { addRejections: (more: readonly Rejection[]) => void rejected.push(...more) };

  const daemon: Daemon = {
    version: "v1.2.3",
    debugMode: false,
    configView: { version: "v1.2.3", port: "8686", debug_mode: false },
    verify: async (token) => {
      calls.push("verify");
      if (token !== GOOD_TOKEN) throw new DeployerError("unauthorized", "token signature is invalid");
      return { issuer: "github-actions", may: MAY_ALL, repository: undefined, token: undefined };
    },
    requestHash: (method, target, body) => `hash of ${method} ${target} ${new TextDecoder().decode(body)}`,
    shownClaims: (token) => ({ shown: token }),
    refusals: new Refusals({ store, clock: fakeClock(), log }),
    readiness: async () => new Map(),
    submit: async (request, issuer) => {
      calls.push("submit");
      const deployment = begin(
        accept(`d${deployments.size + 1}`, request, issuer, CREATED_AT),
        CREATED_AT + 1000,
      );
      deployments.set(deployment.id, deployment);
      return deployment;
    },
    find: (id) => deployments.get(id),
    list: () => [...deployments.values()].toReversed(),
    events: (id, after, limit) => (events.get(id) ?? []).filter(({ seq }) => seq > after).slice(0, limit),
    pulls: () => [],
    watch(id, wake) {
      watchers.add(wake);
      calls.push(`watch ${id}`);
      return () => {
        watchers.delete(wake);
        calls.push(`unwatch ${id}`);
      };
    },
    isStopping: () => isStopping,
    grantRead: (id, { output }) => new Secret(readKeyOf(id, output)),
    readKey: (token, id) =>
      [true, false].map((output) => ({ output })).find(({ output }) => token === readKeyOf(id, output)),
    services: async () => [],
    ended: async (id, signal) => {
      const found = deployments.get(id);
      if (found === undefined) throw new DeployerError("not_found", `unknown deployment "${id}"`);
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      signal.addEventListener("abort", () => reject(signal.reason));
      const ended = end(found, await Promise.race([ends.promise, aborted]), CREATED_AT + 2000);
      deployments.set(id, ended);
      return ended;
    },
    logout: () => void calls.push("logout"),
    log,
    newRequestId: () => `r${(requests += 1)}`,
    ...overrides,
  };
  const wakeAll = (): void => watchers.forEach((wake) => wake());
  return {
    daemon,
    lines,
    rejected,
    calls,
    deployments,
    endDeployment: ends.resolve,
    /** One more event of a deployment. */
    tell: (id: string, text: string, phase: Phase = "log"): void => {
      const known = events.get(id) ?? [];
      const event = { seq: known.length + 1, at: CREATED_AT, phase, level: "info", text } as const;
      events.set(id, [...known, event]);
      wakeAll();
    },
    /** Those who follow are woken, whatever there is to see. */
    wake: wakeAll,
    /** The deployment as it is from now on, and those who follow it are woken. */
    change: (deployment: Deployment): void => {
      deployments.set(deployment.id, deployment);
      wakeAll();
    },
    stopStreams: (): void => {
      isStopping = true;
      wakeAll();
    },
  };
}

/** What the fake daemon gives as `Deployer-Read`. */
export function readKeyOf(id: string, output = true): string {
  return `read-${id}${output ? "" : "-without-output"}`;
}

/** The connection of requests that come by no network. */
export const NO_NETWORK: Connection = { remote: () => "192.0.2.7", closeAfterIdle: () => {} };
