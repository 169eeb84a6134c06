import { type Deployment, hasEnded, servicesOf } from "../../src/core/deployment.ts";
import { type DeploymentEvent, MOST_READ_KEYS, type ReadKey } from "../../src/core/history.ts";
import { compareRuns, type Guard } from "../../src/core/order.ts";
import { KEPT_REJECTIONS, type Rejection } from "../../src/core/rejection.ts";
import type { SpentKey } from "../../src/core/repeat-key.ts";
import type { BroughtImage, Look, Origin, Pin, Progress, Store, Version } from "../../src/core/store.ts";

/** The store without a disk. */
export function fakeStore(): Store {
  const deployments = new Map<string, Deployment>();
  const progresses = new Map<string, Progress>();
  const pins = new Map<string, Pin>();
  const origins = new Map<string, Origin>();
  const events = new Map<string, DeploymentEvent[]>();
  const readKeys = new Map<string, ReadKey>();
  const keys = new Map<string, SpentKey & { deployment: string }>();
  const guards = new Map<string, Guard & { service: string }>();
  let versions: Version[] = [];
  let brought: BroughtImage[] = [];
  let rejected: Rejection[] = [];
  let look: Look | undefined;
  let project: string | undefined;
  let hadRules = false;

  function save(deployment: Deployment): void {
    deployments.set(deployment.id, structuredClone(deployment));
    if (hasEnded(deployment) && !isPinned(deployment.id)) progresses.delete(deployment.id);
  }
  function dropVersion({ service, deployment }: Pick<Version, "service" | "deployment">): void {
    versions = versions.filter((each) => each.service !== service || each.deployment !== deployment);
  }
  function spendKeys(spent: readonly SpentKey[], deployment: string): void {
    for (const key of spent) keys.set(JSON.stringify([key.owner, key.kind, key.key]), { ...key, deployment });
  }
  const isPinned = (id: string): boolean => [...pins.values()].some(({ deployment }) => deployment === id);
  const isUnfinished = (id: string): boolean => {
    const deployment = deployments.get(id);
    return deployment !== undefined && !hasEnded(deployment);
  };
  const newestFirst = (): Deployment[] =>
    [...deployments.values()].toSorted((a, b) => b.createdAt - a.createdAt || (b.id < a.id ? -1 : 1));

  return {
    list: ({ service, status, readable, before, limit }) =>
      structuredClone(
        newestFirst()
          .filter((each) => service === undefined || servicesOf(each).includes(service))
          .filter((each) => status === undefined || each.status === status)
          .filter((each) => readable === "all" || servicesOf(each).every((name) => readable.has(name)))
          .filter((each) => before === undefined || isOlder(each, before))
          .slice(0, limit)
          .map(({ diagnoses: _diagnoses, ...summary }) => summary),
      ),
    addEvent(id, event) {
      if (!deployments.has(id)) throw new Error("FOREIGN KEY constraint failed");
      const known = events.get(id) ?? [];
      events.set(id, [...known, { ...event, seq: known.length + 1 }]);
    },
    events: (id, after, limit) =>
      structuredClone((events.get(id) ?? []).filter(({ seq }) => seq > after).slice(0, limit)),
    saveReadKey(key) {
      const others = [...readKeys.values()].filter(({ deployment }) => deployment === key.deployment);
      if (others.length >= MOST_READ_KEYS) return false;
      readKeys.set(key.hash, { ...key });
      return true;
    },
    readKey: (hash) => structuredClone(readKeys.get(hash)),
    dropExpiredReadKeys(now) {
      for (const [hash, { expiresAt }] of readKeys) if (expiresAt <= now) readKeys.delete(hash);
    },
    addRejections: (more) =>
      void (rejected = [...rejected, ...structuredClone(more)].slice(-KEPT_REJECTIONS)),
    rejections: (limit) => structuredClone(rejected.toReversed().slice(0, limit)),
    prune({ createdBefore, keep, batch }) {
      const needed = new Set([...pins.values(), ...versions].map(({ deployment }) => deployment));
      const old = newestFirst()
        .filter((each, index) => index >= keep || each.createdAt < createdBefore)
        .filter((each) => hasEnded(each) && !needed.has(each.id))
        .slice(-batch);
      for (const { id } of old) {
        deployments.delete(id);
        events.delete(id);
        for (const [hash, { deployment }] of readKeys) if (deployment === id) readKeys.delete(hash);
      }
      return old.length;
    },
    insert(deployment, acceptance) {
      save(deployment);
      if (acceptance === undefined) return;
      const { superseded, keys: spent, run } = acceptance;
      superseded.forEach(save);
      for (const [at, { expiresAt }] of keys) if (expiresAt <= deployment.createdAt) keys.delete(at);
      spendKeys(spent, deployment.id);
      if (run === undefined) return;
      for (const service of servicesOf(deployment)) {
        const at = JSON.stringify([service, run.workflow]);
        const known = guards.get(at);
        if (known !== undefined && compareRuns(run, known.run) < 0) continue;
        guards.set(at, { service, run: { ...run }, deployment: deployment.id });
      }
    },
    update: save,
    find: (id) => structuredClone(deployments.get(id)),
    unfinished: () =>
      structuredClone([...deployments.values()].filter((deployment) => !hasEnded(deployment))),
    spentKey({ kind, owner, key }, now) {
      const found = keys.get(JSON.stringify([owner, kind, key]));
      if (found === undefined || found.expiresAt <= now) return undefined;
      return { request: found.request, deployment: found.deployment };
    },
    spendKeys,
    guard(service, workflow) {
      const found = guards.get(JSON.stringify([service, workflow]));
      return found && structuredClone({ run: found.run, deployment: found.deployment });
    },
    guards: (service) =>
      structuredClone(
        [...guards.values()]
          .filter((each) => service === undefined || each.service === service)
          .toSorted((a, b) => compare(a.service, b.service) || compare(a.run.workflow, b.run.workflow)),
      ),
    dropGuards(service) {
      const gone = [...guards].filter(([, each]) => each.service === service);
      for (const [at] of gone) guards.delete(at);
      return gone.length;
    },
    saveProgress: (id, progress) => void progresses.set(id, structuredClone(progress)),
    progress: (id) => structuredClone(progresses.get(id)),
    pins: () => structuredClone([...pins.values()].toSorted((a, b) => compare(a.service, b.service))),
    commit(commits) {
      for (const { pin, version, origins: made } of commits) {
        const replaced = pins.get(pin.service)?.deployment ?? "";
        if (!isUnfinished(replaced)) progresses.delete(replaced);
        pins.set(pin.service, structuredClone(pin));
        dropVersion(version);
        versions.push(structuredClone(version));
        for (const [container, { service }] of origins)
          if (service === pin.service) origins.delete(container);
        for (const origin of made) origins.set(origin.container, structuredClone(origin));
      }
    },
    versions: (service) =>
      structuredClone(
        versions.filter((each) => service === undefined || each.service === service).toReversed(),
      ),
    dropVersion,
    claimImages(digest, deployment) {
      for (const image of brought) if (image.digest === digest) image.deployment = deployment;
    },
    noteImage(image) {
      if (!brought.some((each) => each.repository === image.repository && each.digest === image.digest))
        brought.push({ ...image });
    },
    broughtImages: () => structuredClone(brought),
    forgetImage(image) {
      brought = brought.filter((each) => !Bun.deepEquals(each, image));
    },
    dropPin: (service) => void pins.delete(service),
    origin: (container) => structuredClone(origins.get(container)),
    origins: () =>
      structuredClone([...origins.values()].toSorted((a, b) => compare(a.container, b.container))),
    dropOrigin: (container) => void origins.delete(container),
    neededRecords() {
      const plans = [...progresses]
        .filter(([id]) => isUnfinished(id))
        .flatMap(([, progress]) => progress.plans);
      const needed = [
        ...pins.values(),
        ...versions,
        ...origins.values(),
        ...plans.flatMap(({ before, version }) => [before, version]),
      ];
      return new Set(needed.map(({ recorded }) => recorded).filter((recorded) => recorded !== ""));
    },
    saveOrigins: (made) => made.forEach((origin) => origins.set(origin.container, structuredClone(origin))),
    lastLook: () => structuredClone(look),
    saveLook: (next) => void (look = structuredClone(next)),
    projectName: () => project,
    saveProjectName: (name) => void (project = name),
    hadRules: () => hadRules,
    noteRules: () => void (hadRules = true),
  };
}

function isOlder(a: { createdAt: number; id: string }, b: { createdAt: number; id: string }): boolean {
  return a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.id < b.id);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
