import type { GuardAnswer, ServiceAnswer } from "../client/answers.ts";
import { ClientError } from "../client/client-error.ts";
import { EXIT } from "../client/exit-codes.ts";
import { oneLine } from "../client/one-line.ts";
import { shortDigest, shortImage } from "../client/short-image.ts";
import { readArguments } from "./arguments.ts";
import { type Command, toJson } from "./command.ts";
import { deploymentTable } from "./history.ts";
import { daemonOf, REMOTE_FLAGS } from "./remote.ts";
import { table } from "./tables.ts";
import { ago } from "./times.ts";

/** The queue holds no more. */
const UNFINISHED_LIMIT = 400;

export const status: Command = async (args, io) => {
  const given = readArguments("status", args, { json: { kind: "flag" }, ...REMOTE_FLAGS }, ["[SERVICE]"]);
  const { words, flags, values } = given;
  const [service] = words;
  const client = daemonOf(given, io);
  const unfinished = (status: string) => client.deployments({ service, status, limit: UNFINISHED_LIMIT });
  const [allServices, allGuards, running, waiting] = await Promise.all([
    client.services(),
    // Only the host is told.
    values.has("url") ? undefined : client.guards(),
    unfinished("running"),
    unfinished("queued"),
  ]);
  const services = allServices.filter((each) => service === undefined || each.service === service);
  const guards = allGuards?.filter((each) => service === undefined || each.service === service);
  if (service !== undefined && services.length === 0)
    throw new ClientError("not_found", `unknown service ${JSON.stringify(service)}`);
  if (flags.has("json")) io.stdout(toJson({ services, guards, running, waiting }));
  else {
    io.stdout(serviceTable(services, io.now()));
    io.stdout(driftLines(services));
    io.stdout(edgeTable(services));
    io.stdout(versionTable(services, io.now()));
    io.stdout(guardTable(guards ?? []));
    const unended = [...running, ...waiting];
    if (unended.length > 0) io.stdout(`\nunder way:\n${deploymentTable(unended, io.now())}`);
  }
  return EXIT.succeeded;
};

function serviceTable(services: readonly ServiceAnswer[], now: number): string {
  return table(
    ["SERVICE", "STATE", "HEALTH", "IMAGE", "DIGEST", "SINCE", "DEPLOYMENT"],
    services.map((each) => [
      each.service,
      stateOf(each),
      each.health === "none" || each.health === null ? "" : each.health,
      shortImage(each.running?.image ?? ""),
      shortDigest(each.running?.digest ?? null),
      each.since === null ? "" : ago(each.since, now),
      each.deployment ?? "",
    ]),
  );
}

function stateOf({ state, replicas, exit_code }: ServiceAnswer): string {
  if (state === "none") return "no container";
  if (state === "stopped") return exit_code === null ? "stopped" : `exited (${exit_code})`;
  return replicas.wanted === 1 && replicas.running === 1
    ? "running"
    : `running ${replicas.running}/${replicas.wanted}`;
}

function driftLines(services: readonly ServiceAnswer[]): string {
  const lines = services.flatMap(({ service, drift }) =>
    drift.map(({ text }) => `  ${service}: ${oneLine(text)}\n`),
  );
  return lines.length === 0
    ? ""
    : `\ndiffers from what is wanted ("deployer-service up" settles it):\n${lines.join("")}`;
}

function versionTable(services: readonly ServiceAnswer[], now: number): string {
  const rows = services.flatMap(({ service, versions }) =>
    versions.map((version) => [
      service,
      version.deployment,
      shortImage(version.image),
      shortDigest(version.digest),
      ago(version.committed_at, now),
      version.current ? "current" : version.image_state,
    ]),
  );
  if (rows.length === 0) return "";
  const heading = ["SERVICE", "DEPLOYMENT", "IMAGE", "DIGEST", "COMMITTED", "ON THIS HOST"];
  return `\nversions ("deployer-service rollback SERVICE --to DEPLOYMENT"):\n${table(heading, rows)}`;
}

function edgeTable(services: readonly ServiceAnswer[]): string {
  const rows = services.flatMap(({ service, edge }) => {
    if (edge === null) return [];
    const routes = edge.routes.map(({ host, path }) => `${host ?? "*"}${path}`).join(" ");
    if (edge.servers.length === 0) return [[service, routes, "nothing", "", "", ""]];
    return edge.servers.map(({ container, address, state, sessions }) => [
      service,
      routes,
      container.slice(0, 12),
      address,
      state,
      String(sessions),
    ]);
  });
  if (rows.length === 0) return "";
  return `\nbehind the edge:\n${table(["SERVICE", "ROUTES", "CONTAINER", "ADDRESS", "STATE", "SESSIONS"], rows)}`;
}

function guardTable(guards: readonly GuardAnswer[]): string {
  if (guards.length === 0) return "";
  const rows = guards.map(({ service, workflow, number, attempt, deployment }) => [
    service,
    workflow,
    String(number),
    String(attempt),
    deployment,
  ]);
  const heading = ["SERVICE", "WORKFLOW", "RUN", "ATTEMPT", "DEPLOYMENT"];
  return `\nnewest runs, older ones are refused ("deployer-service order reset SERVICE"):\n${table(heading, rows)}`;
}
