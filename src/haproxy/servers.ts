import { DeployerError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { Cli, Worker } from "./cli.ts";
import { eventually } from "./eventually.ts";
import { type ServerLine, serverLines, servingLine } from "./server-line.ts";
import { parseStat, type ServerStat, showServers } from "./stat.ts";
import type { PlacedDirection, PlacedServer } from "./state.ts";
import { serviceWord } from "./word.ts";

/** For HAProxy's own check of a server that has passed the gate: with a check each 100 ms it takes one or two. */
const REACHED_DEADLINE_MS = 5_000;

/**
 * Adds servers to a running proxy, without requests yet, and waits until its own check has reached each of them.
 * A proxy that starts anew meanwhile is told again.
 * @param enough whether it may be that only one of them is reached
 * @returns of those that were not: that, and why. The proxy goes on checking them, and knows that they are down
 * Errors: `edge`; who serves has not changed
 */
export async function reach(
  service: string,
  servers: readonly PlacedServer[],
  enough: "all" | "one",
  { cli, clock }: { cli: () => Cli; clock: Clock },
): Promise<DeployerError[]> {
  let known: ServerStat[] = [];
  let missing = servers;
  await eventually(REACHED_DEADLINE_MS, clock, async () => {
    known = await stat(service, cli());
    let isNew = false;
    for (const line of servers.map(servingLine)) isNew = (await bring(service, line, known, cli())) || isNew;
    if (isNew) return false;
    missing = servers.filter((server) => !known.some((one) => isOf(server, one) && isReached(one)));
    return missing.length === 0;
  });
  const refusals = missing.map((server) =>
    notReached(
      service,
      server,
      known.find((one) => isOf(server, one)),
    ),
  );
  const [first] = refusals;
  if (first !== undefined && (enough === "all" || missing.length === servers.length)) throw first;
  return refusals;
}

/**
 * Sends the requests of a service to these servers, which it has reached. First the new ones, then the standbys, then no
 * new ones for the others: at no moment is there nobody. Safe to repeat.
 */
export async function switchTo(service: string, direction: PlacedDirection, cli: Cli): Promise<void> {
  const lines = serverLines(direction);
  const known = await stat(service, cli);
  for (const line of lines) {
    await bring(service, line, known, cli);
    await command(`set server ${path(service, line.name)} state ready`, cli);
  }
  for (const { name } of known)
    if (!lines.some((line) => line.name === name))
      await command(`set server ${path(service, name)} state drain`, cli);
}

/**
 * The same for a worker that was replaced, see follow.lua: a kept connection of before may bring it one more request. A worker
 * that has ended meanwhile complains, and needs nothing.
 */
export async function follow(
  service: string,
  direction: PlacedDirection,
  { ask }: Pick<Worker, "ask">,
): Promise<void> {
  const lines = serverLines(direction);
  const known = parseStat(await ask(showServers(service)));
  const set = async (name: string, state: "ready" | "drain") =>
    await ask(`deployer state ${serviceWord(service)} ${name} ${state}`);
  for (const { name, address, port, isStandby } of lines) {
    if (!known.some((one) => one.name === name))
      await ask(`add server ${path(service, name)} ${address}:${port}${isStandby ? " backup" : ""}`);
    await set(name, "ready");
  }
  for (const { name } of known) if (!lines.some((line) => line.name === name)) await set(name, "drain");
}

/** Takes servers out of a running proxy that get no requests any more. One that has sessions stays until another time, or the next reload. */
export async function sweep(
  service: string,
  isGone: (server: ServerStat) => boolean,
  cli: Cli,
): Promise<void> {
  for (const server of await stat(service, cli)) {
    if (!isGone(server) || server.sessions > 0) continue;
    await command(`set server ${path(service, server.name)} state maint`, cli);
    // Refused while a session of this instant is left.
    await cli.ask(`del server ${path(service, server.name)}`);
  }
}

/** Whether a server has a part in one of the directions. */
export function hasPart({ name }: ServerStat, ...directions: PlacedDirection[]): boolean {
  return directions.flatMap(serverLines).some((line) => line.name === name);
}

/** The servers of a service in the worker that accepts connections. */
export async function stat(service: string, cli: Cli): Promise<ServerStat[]> {
  return parseStat(await cli.ask(showServers(service)));
}

/**
 * A server that is not there is added, without requests. One that moved is down until it has been checked where it is now.
 * @returns whether anything changed
 */
async function bring(
  service: string,
  { name, address, port, options, isStandby }: ServerLine,
  known: readonly ServerStat[],
  cli: Cli,
): Promise<boolean> {
  const server = path(service, name);
  const before = known.find((one) => one.name === name);
  const isMoved = before !== undefined && before.address !== address;
  // A new one is (management guide, section 9.3, `add server`), and one that a killed daemon has left halfway.
  const isInMaintenance = before === undefined || before.status.startsWith("MAINT");
  if (before === undefined)
    await command(`add server ${server} ${address}:${port} ${options}`, cli, /^New server registered\.$/);
  if (isMoved) await command(`set server ${server} addr ${address} port ${port}`, cli, /changed/);
  if (isInMaintenance) {
    await command(`set server ${server} state drain`, cli);
    if (!isStandby) await command(`enable health ${server}`, cli);
  }
  if (!isStandby && before !== undefined && (isMoved || isInMaintenance))
    await command(`set server ${server} health down`, cli);
  return isMoved || isInMaintenance;
}

/** Commands that change something say nothing when they have. */
async function command(text: string, cli: Cli, success = /^$/): Promise<void> {
  const answer = (await cli.ask(text)).trim();
  if (!success.test(answer))
    throw new DeployerError("edge", `the edge refused "${text}": ${answer.slice(0, 300)}`);
}

function path(service: string, name: string): string {
  return `${serviceWord(service)}/${name}`;
}

function isOf(server: PlacedServer, { name }: ServerStat): boolean {
  return name === servingLine(server).name;
}

function isReached({ check, status }: ServerStat): boolean {
  return /^(\* )?L4OK$/.test(check) && !status.startsWith("DOWN");
}

function notReached(
  service: string,
  { container, port }: PlacedServer,
  last: ServerStat | undefined,
): DeployerError {
  const why = last?.checkInfo.toLowerCase() || "no answer to its check";
  return new DeployerError(
    "edge",
    `the edge cannot reach container ${container.slice(0, 12)} of service "${service}" on port ${port} (${why}): does it listen on all its addresses? see x-deployer.port`,
  );
}
