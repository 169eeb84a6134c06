import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Frontage } from "../core/edge.ts";
import { DeployerError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { writeFileAtomically } from "../system/files.ts";
import { configOf, frontageOf, identityOf, isSame, newPorts, type Site, specOf } from "./blueprint.ts";
import type { CertificateFolder } from "./certificate-folder.ts";
import { assertChallenges } from "./challenges.ts";
import type { Cli } from "./cli.ts";
import { holds } from "./hold.ts";
import { CONFIG_FILE, type EdgePort, type Proxy } from "./proxy.ts";
import { NOTHING } from "./said.ts";
import { SCRIPTS } from "./scripts.ts";
import { switchTo } from "./servers.ts";
import { type EdgeState, type EdgeStore, makeFolder, NO_STATE, type PlacedDirection } from "./state.ts";
import type { Turns } from "./turns.ts";

/** A hold lasts as long as one container takes to be replaced by another. */
const HOLDS_DEADLINE_MS = 120_000;
const HOLDS_POLL_MS = 250;
/** What a configuration is called before it is known to be good. */
const CANDIDATE_FILE = "candidate.cfg";

/** What the edge is made of. */
export type Parts = Site & {
  proxy: Proxy;
  store: EdgeStore;
  certificates: CertificateFolder;
  clock: Clock;
  /** Of the running proxy. */
  cli: () => Cli;
  /** For what must not happen while the proxy takes up a configuration, and the other way round. */
  exclusive: Turns;
};

/** Where a service answers that had no route before. Its containers get their addresses. */
type Place = (service: string, project: string) => Promise<PlacedDirection>;

/** Brings the proxy to what is wanted. See `Edge.apply`. */
export async function apply(wanted: Frontage | undefined, parts: Parts, place: Place): Promise<void> {
  if (wanted === undefined) await remove(parts);
  else await bringTo(wanted, parts, place);
}

/** The proxy goes first: a daemon that is killed in between knows that there is something to remove. */
async function remove({ proxy, store, folder, certificates, exclusive }: Parts): Promise<void> {
  await exclusive(async () => {
    const { frontage, nextAddress } = store.state();
    if (frontage === undefined) return;
    await proxy.remove(frontage.project);
    store.change({ ...NO_STATE, nextAddress });
    rmSync(join(folder, CONFIG_FILE), { force: true });
    certificates.keepOnly(undefined);
  });
}

/** What `apply` does before it changes anything. See `Edge.prepare`. */
export async function prepare(wanted: Frontage, parts: Parts): Promise<EdgeState> {
  const { store, folder, certificates } = parts;
  const before = store.state();
  makeFolder(folder);
  const { https, certs, challenges } = wanted.settings;
  if (challenges !== before.frontage?.settings.challenges) assertChallenges(challenges);
  const isSecure = https !== undefined && certs !== undefined;
  const target: EdgeState = {
    ...before,
    frontage: wanted,
    certificates: isSecure
      ? certificates.take(certs, before.certificates, certs === before.frontage?.settings.certs)
      : undefined,
  };
  for (const { file, content } of Object.values(SCRIPTS))
    if (!existsSync(join(folder, file))) writeFileAtomically(join(folder, file), content);
  if (!isSame(before, target, parts)) await validate(target, parts);
  return target;
}

async function bringTo(wanted: Frontage, parts: Parts, place: Place): Promise<void> {
  const { store, folder, certificates, exclusive, clock } = parts;
  const before = store.state();
  const target = await prepare(wanted, parts);
  // A reload that cannot get a port is refused without a word of which, and accepts nothing while it tries. Without a proxy
  // to be reloaded, whoever starts one looks.
  if (before.frontage !== undefined) await parts.proxy.assertFree(newPorts(before, wanted));

  const deadline = clock.now() + HOLDS_DEADLINE_MS;
  for (;;) {
    const held = await exclusive(async () => {
      const services = await heldNow(target, parts);
      if (services.length === 0) await takeUp(target, parts, place);
      return services;
    });
    if (held.length === 0) break;
    if (clock.now() >= deadline)
      throw new DeployerError(
        "edge",
        `the edge cannot be changed while requests of ${held.join(", ")} are held; try again when its deployment has ended`,
      );
    await clock.sleep(HOLDS_POLL_MS);
  }
  certificates.keepOnly(target.certificates);
  const current = new Set(Object.values(SCRIPTS).map(({ file }) => file));
  for (const file of readdirSync(folder))
    if (file.endsWith(".lua") && !current.has(file)) rmSync(join(folder, file), { force: true });
}

/** A reload forgets the holds, so it waits for their end. What needs none does not wait. */
async function heldNow(target: EdgeState, parts: Parts): Promise<string[]> {
  const { store, cli } = parts;
  if (store.state().runDir === undefined || isSame(store.state(), target, parts)) return [];
  // A proxy that does not run holds nothing.
  return await holds(cli()).catch(() => []);
}

/** State and configuration are on disk first: a proxy that starts anew at any moment has one or the other. */
async function takeUp(target: EdgeState, parts: Parts, place: Place): Promise<void> {
  const { store, proxy, cli } = parts;
  const before = store.state();
  const { routes, project } = frontageOf(target);
  const directions = new Map<string, PlacedDirection>();
  for (const [service, own] of routes)
    if (own.length > 0)
      directions.set(service, before.directions.get(service) ?? (await place(service, project)));
  // A state that could not be read knows nothing of the proxy that serves.
  const isFirst = before.frontage === undefined && !(await proxy.isThere(project));
  const configBefore = readConfig(parts);
  // What changed since is kept: addresses.
  const { frontage, certificates } = target;
  store.change({ ...store.state(), frontage, certificates, directions });
  writeConfig(parts);
  try {
    const { runDir, earlier } = await proxy.ensure(specOf(target, parts));
    store.change({ ...store.state(), runDir, earlier });
    await reloadUnlessCurrent(identityOf(target, parts), specOf(target, parts).ports, cli());
  } catch (error) {
    const { frontage, certificates, directions } = before;
    store.change({ ...store.state(), frontage, certificates, directions });
    if (before.frontage !== undefined) writeConfig(parts);
    else if (isFirst) await proxy.remove(project).catch(() => undefined);
    else if (configBefore !== undefined) writeFileAtomically(join(parts.folder, CONFIG_FILE), configBefore);
    throw error;
  }
  for (const [service, direction] of directions) await switchTo(service, direction, cli());
}

/** See `Edge.rejoin`. Certificates and configuration are left to the next `apply`: that may have to wait for the end of a hold. */
export async function rejoin({ store, proxy, exclusive, ...site }: Parts): Promise<void> {
  await exclusive(async () => {
    if (store.state().frontage === undefined) return;
    const { runDir, earlier } = await proxy.rejoin(specOf(store.state(), site));
    store.change({ ...store.state(), runDir, earlier });
  });
}

async function reloadUnlessCurrent(id: string, ports: readonly EdgePort[], cli: Cli): Promise<void> {
  if ((await runningIdentity(cli)) === id) return;
  const reason = await cli.reload();
  if (reason !== undefined)
    throw new DeployerError(
      "edge",
      `the edge refused its new configuration: ${reason === NOTHING ? silentRefusal(ports) : reason}`,
    );
}

/** A reload that cannot get a port is refused without a word of which. */
function silentRefusal(ports: readonly EdgePort[]): string {
  const numbers = ports.map(({ port }) => port);
  const filter = numbers.map((port) => `sport = :${port}`).join(" or ");
  return `most likely something else has port ${numbers.join(" or ")} of this host (ss -ltnp '${filter}' names it): free it, or name another under x-deployer.edge`;
}

/** Of the configuration that the proxy has loaded. */
export async function runningIdentity(cli: Cli): Promise<string | undefined> {
  return /^description: "?([0-9a-f]+)"?$/im.exec(await cli.ask("show info"))?.[1];
}

async function validate(target: EdgeState, parts: Parts): Promise<void> {
  const { folder, proxy } = parts;
  writeFileAtomically(join(folder, CANDIDATE_FILE), configOf(target, parts));
  try {
    const complaint = await proxy.validate(specOf(target, parts), CANDIDATE_FILE);
    if (complaint !== undefined)
      throw new DeployerError("edge", `HAProxy refuses the configuration of the edge: ${complaint}`);
  } finally {
    rmSync(join(folder, CANDIDATE_FILE), { force: true });
  }
}

/** What a proxy that starts anew would load. */
function readConfig({ folder }: Pick<Parts, "folder">): string | undefined {
  const path = join(folder, CONFIG_FILE);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Writes what the state says. */
export function writeConfig(parts: Pick<Parts, "folder" | "store" | "fixed">): void {
  writeFileAtomically(join(parts.folder, CONFIG_FILE), configOf(parts.store.state(), parts));
}
