import { openAccess } from "./access.ts";
import { type Adapters, createAdapters, createEdge } from "./adapters.ts";
import { type Config, configView } from "./config.ts";
import { pullAfterRemovals } from "./core/image-turns.ts";
import { LiveJournal } from "./core/journal.ts";
import { keepUp } from "./core/keep-up.ts";
import { missingImages } from "./core/missing-images.ts";
import type { Log, Ports } from "./core/ports.ts";
import { holdProjectName } from "./core/project-name.ts";
import { Queue } from "./core/queue.ts";
import { keepRetention } from "./core/retention.ts";
import { SecondLook } from "./core/second-look.ts";
import { createServices } from "./core/services.ts";
import { Upkeep } from "./core/upkeep.ts";
import { Worker } from "./core/worker.ts";
import { openCertificateStore } from "./http/certificate-store.ts";
import type { Daemon as HttpDaemon } from "./http/daemon.ts";
import { createReadiness, type Probe } from "./http/readiness.ts";
import { Refusals } from "./http/refusals.ts";
import { serve, serveControl } from "./http/serve.ts";
import { createHost } from "./host.ts";
import { openStore, type OpenStore } from "./sqlite/store.ts";
import { bootId } from "./system/boot.ts";
import { systemClock } from "./system/clock.ts";
import { newId } from "./system/id.ts";
import { lockStateDir } from "./system/lock.ts";
import { openRunDir } from "./system/run-dir.ts";
import { killStrays } from "./system/strays.ts";
import { createReadKeys } from "./tokens/read-keys.ts";
import { requestHash } from "./tokens/request-hash.ts";
import { shownClaims } from "./tokens/shown-claims.ts";
import type { Environment } from "./variables.ts";

/** For replies that are on their way when everything else has ended. */
const LAST_REPLIES_MS = 10_000;

export type Daemon = {
  /** For callers on this host. */
  url: string;
  /** Refuses new deployments, finishes or undoes the running one, then lets go of port, socket, database and locks. */
  stop(): Promise<void>;
};

/**
 * Wires the program together and starts it; when it resolves, requests are answered, and everything slow (Docker, the
 * registry, bringing services up) goes on behind them.
 * Errors: `config` for keys, rules, certificate, STATE_DIR, RUN_DIR, database or port that cannot be used.
 * @param wrap for tests that look at, or end, what deployments do
 */
export function startDaemon(
  config: Config,
  env: Environment,
  version: string,
  log: Log,
  wrap: (ports: Ports) => Ports = (ports) => ports,
): Daemon {
  const clock = systemClock;
  const certificates = config.tls === undefined ? undefined : openCertificateStore({ ...config.tls, log });
  const adapters = createAdapters(config, env, clock, log);
  const lock = lockStateDir(config.stateDir);
  const runDir = openRunDir(config.runDir);
  const store = openStore(config.stateDir);
  const verify = openAccess(config, store, log);
  const queue = new Queue();
  const compose = holdProjectName(adapters.compose, store);
  const journal = new LiveJournal(store, clock, log);
  const careful = pullAfterRemovals(adapters.engine, adapters.registry);
  const ports = wrap({
    ...adapters,
    ...careful,
    compose,
    edge: createEdge(config, env, { ...careful, compose, clock, log }),
    store,
    journal,
    clock,
    log,
    inTurn: queue.inTurn,
  });

  const stopping = new AbortController();
  const { promise: recovered, resolve: onRecovered } = Promise.withResolvers<void>();
  const upkeep = new Upkeep();
  const secondLook = new SecondLook(ports, stopping.signal);
  const worker = new Worker(ports, queue, recovered, newId, (id) => {
    upkeep.wake();
    secondLook.after(id);
  });
  const readiness = createReadiness(probes(ports, adapters, store, recovered), clock);

  const readKeys = createReadKeys(store, clock);
  const services = createServices(ports);
  const refusals = new Refusals({ store, clock, log });

  const daemon: HttpDaemon = {
    version,
    debugMode: config.debugMode,
    configView: configView(config, version),
    verify,
    requestHash,
    shownClaims,
    refusals,
    readiness,
    submit: (request, issuer, keys) => worker.submit(request, issuer, keys),
    find: (id) => store.find(id),
    list: (query) => store.list(query),
    events: (id, after, limit) => store.events(id, after, limit),
    pulls: (id) => journal.pulls(id),
    watch: (id, wake) => journal.watch(id, wake),
    isStopping: () => journal.isClosed,
    grantRead: (id, shows) => readKeys.grant(id, shows),
    readKey: (token, id) => readKeys.opens(token, id),
    services,
    ended: (id, signal) => worker.ended(id, signal),
    logout: () => adapters.ecrTokens?.drop(),
    log,
    newRequestId: newId,
  };
  const host = createHost({
    config,
    env,
    ports,
    queue,
    worker,
    services,
    refusals,
    recovered,
    stopping: stopping.signal,
  });
  const control = serveControl(daemon, host, runDir);
  const server = serve(daemon, { ...config, certificates });
  log.info("deployer-service started", { version, address: server.url, pid: process.pid });
  log.info(config.debugMode ? "Running in DEBUG mode" : "Running in PRODUCTION mode");

  for (const args of killStrays(config.stateDir))
    log.warn("ended a command that the last run had left at work", { args });
  const background = Promise.all([
    keepUp(bootId(), onRecovered, ports, stopping.signal),
    adapters.ecrTokens?.keepFresh(stopping.signal),
    keepRetention(ports, stopping.signal),
    upkeep.keep(config.stateDir, recovered, ports, stopping.signal),
  ]);
  return {
    url: server.url,
    async stop() {
      await worker.stop();
      // Those who follow a deployment have its end by now; an open stream would keep the server from stopping.
      journal.close();
      stopping.abort(new Error("the daemon is stopping"));
      refusals.close();
      await Promise.all([
        background,
        secondLook.ended(),
        server.stop(LAST_REPLIES_MS),
        control.stop(LAST_REPLIES_MS),
      ]);
      store.close();
      runDir.release();
      lock.release();
    },
  };
}

/** The parts that `GET /ready` names, each with what is wrong with it. */
function probes(
  ports: Ports,
  { ecrTokens }: Adapters,
  store: OpenStore,
  recovered: Promise<void>,
): Record<string, Probe> {
  let hasRecovered = false;
  void recovered.then(() => (hasRecovered = true));
  return {
    docker: async () => void (await ports.engine.ping()),
    compose_file: async () => void (await ports.compose.project()),
    images: async () => {
      const missing = [...(await missingImages(ports))].map(([service, image]) => `${service}: ${image}`);
      return missing.length === 0 ? undefined : `not on this host yet: ${missing.join(", ")}`;
    },
    registry_credential: async () => {
      const state = ecrTokens?.state() ?? { ok: true };
      return state.ok ? undefined : state.reason;
    },
    store: async () => {
      store.check();
      return undefined;
    },
    edge: () => ports.edge.problem(),
    queue: async () => (hasRecovered ? undefined : "waiting for the recovery after the start"),
  };
}
