import { expect } from "bun:test";

import type { Reply } from "./daemon.ts";
import { type DeploymentRecord, eventsOf, idOf, recordOf } from "./deployment-record.ts";
import { freePort } from "./free-port.ts";
import { lifeOf } from "./observe.ts";
import { peerService } from "./peer.ts";
import { type Scene, startScene } from "./scene.ts";
import type { Aws } from "./stage.ts";
import { longestGap, startWitnesses, type Witnesses } from "./witnesses.ts";

/** A deployment that must fail, and how: a service of its own, on version `v1` before. */
export type Fault = {
  /** Of the service too. */
  name: string;
  strategy: "recreate" | "rolling";
  /** What is deployed. */
  tag: string;
  /** More of `x-deployer`: `health: /`. */
  settings?: string;
  /** More of the service, from the beginning. */
  lines?: readonly string[];
  /** More of the service, added before the deployment. `OWN` and `TAKEN` become ports of this machine. */
  edit?: readonly string[];
  status: "failed" | "rolled_back";
  /** Of the reason's first line. */
  reason: RegExp;
  /** What of the candidate must be told; undefined: there was none to tell of. */
  diagnosis?: Readonly<Record<string, unknown>>;
  /** Versions that may be seen besides `v1` after the switch; default: the candidate's. */
  mayServe?: readonly string[];
};

/** A fault that all strategies share. */
export type FaultKind = Omit<Fault, "strategy" | "status">;

/** These faults with this strategy. */
export function faultsOf(
  kinds: readonly FaultKind[],
  strategy: Fault["strategy"],
  status: Fault["status"],
): Fault[] {
  const faults: Fault[] = [];
  for (const kind of kinds) faults.push({ ...kind, name: `${kind.name}-${strategy}`, strategy, status });
  return faults;
}

/** One project with a service for each fault, all of them asked all the time by a peer container and by this machine. */
export type FaultScene = Scene & { faults: readonly Fault[]; witnesses: Witnesses };

const WATCH_SECONDS = 20;
/** Of recreate, there and back: two stops, two starts and what the candidate has of its gate, on a machine that does seven other things. */
const LONGEST_GAP_MS = 20_000;
/** A name that was resolved for a container that is gone may, when TCP asks its address again, be answered by another service. */
const SAME_ADDRESS_MS = 1_000;

/** The compose file, with this text about `volumes` at its end, is edited when all services serve `v1`. */
export async function startFaultScene(
  faults: readonly Fault[],
  publish: (aws: Aws) => Promise<void>,
  volumes = "",
): Promise<FaultScene> {
  const stack = new AsyncDisposableStack();
  try {
    const ports = new Map(faults.map(({ name }) => [name, freePort()]));
    const taken = freePort();
    const text = (aws: Aws, isEdited: boolean) =>
      composeFile(aws.repository("web"), faults, isEdited, ports, taken) + volumes;
    const scene = stack.use(
      await startScene({
        compose: async (aws) => {
          await aws.publish("web", "v1", { drainFor: 0.3 });
          await publish(aws);
          return text(aws, false);
        },
      }),
    );
    const { project, aws } = scene;
    const asked = faults.map(({ name, strategy }) => ({
      service: name,
      port: strategy === "recreate" ? ports.get(name) : undefined,
    }));
    const witnesses = stack.use(await startWitnesses(project, asked));
    project.write(text(aws, true));
    return { ...scene, faults, witnesses, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Deploys it, and expects what the fault says of reply, record and diagnosis, and `v1` for everybody, the very same container. */
export async function expectFault(scene: FaultScene, fault: Fault): Promise<DeploymentRecord> {
  const { project, daemon, aws, witnesses } = scene;
  const { name: service, tag, strategy, status } = fault;
  const isV1 = ({ version }: { version?: string | undefined }) => version === "v1";
  await witnesses.next(service, isV1);
  const before = await lifeOf(project, service);

  const since = Date.now();
  const reply = await daemon.deploy({ service, image: `${aws.repository("web")}:${tag}` });
  const [head, reason] = reply.text.split("\n");
  expect([reply.status, head]).toEqual([500, "unable to update service"]);
  expect(reason).toMatch(fault.reason);
  expect(reply.text).toContain(`what serves now: ${before.image} in container ${before.id.slice(0, 12)}`);

  await witnesses.next(service, isV1);
  const isUntouched = status === "failed" || strategy === "rolling";
  const allowed = new Set(["v1", ...(status === "failed" ? [] : (fault.mayServe ?? [tag]))]);
  const answers = witnesses.answers(service, since);
  const others = answers.filter(({ version }) => version !== undefined && !allowed.has(version));
  expect(others.filter(({ took }) => isUntouched || took < SAME_ADDRESS_MS)).toEqual([]);
  if (isUntouched) expect(answers.filter(({ failure }) => failure !== undefined)).toEqual([]);
  else expect(longestGap(answers, since)).toBeLessThan(LONGEST_GAP_MS);
  const after = await lifeOf(project, service);
  expect({ ...after, startedAt: "" }).toEqual({ ...before, startedAt: "" });
  if (isUntouched) expect(after.startedAt).toBe(before.startedAt);
  return await expectTold(scene, fault, reply);
}

async function expectTold({ daemon }: FaultScene, fault: Fault, reply: Reply): Promise<DeploymentRecord> {
  const record = await recordOf(daemon, idOf(reply));
  expect(record).toMatchObject({ status: fault.status, changed: false });
  expect(reply.text).toContain(record.reason);
  if (fault.diagnosis === undefined) {
    expect(record.diagnosis).toEqual([]);
    return record;
  }
  expect(record.diagnosis).toEqual([expect.objectContaining({ service: fault.name, ...fault.diagnosis })]);
  await daemon.waitForLog(
    ({ level, message, fields }) =>
      level === "error" && message === "a container failed" && fields?.["deployment"] === record.id,
  );
  const told = (await eventsOf(daemon, record.id)).map(({ text }) => text);
  for (const line of record.diagnosis.flatMap(({ output }) => output)) {
    expect(told).toContain(line);
    expect(reply.text).toContain(line);
  }
  return record;
}

function composeFile(
  repository: string,
  faults: readonly Fault[],
  isEdited: boolean,
  ports: ReadonlyMap<string, number>,
  taken: number,
): string {
  const services = faults.map((fault) => {
    const own = String(ports.get(fault.name));
    const lines = serviceLines(fault, repository, isEdited);
    return lines.map((line) => line.replace("OWN", own).replace("TAKEN", String(taken))).join("\n");
  });
  const holder = `  holder:\n    image: ${repository}:v1\n    ports: ["127.0.0.1:${taken}:8080"]\n`;
  return `services:\n${services.join("\n")}\n${holder}${peerService(`${repository}:v1`)}`;
}

function serviceLines(fault: Fault, repository: string, isEdited: boolean): string[] {
  const edit = isEdited ? (fault.edit ?? []) : [];
  const settings = [
    `strategy: ${fault.strategy}`,
    `watch: ${WATCH_SECONDS}s`,
    ...(fault.settings === undefined ? [] : [fault.settings]),
  ];
  const published = fault.strategy === "recreate" && !edit.some((line) => line.startsWith("ports:"));
  const body = [
    `image: ${repository}:v1`,
    "stop_grace_period: 2s",
    `x-deployer: { ${settings.join(", ")} }`,
    ...(published ? [`ports: ["127.0.0.1:OWN:8080"]`] : []),
    ...(fault.lines ?? []),
    ...edit,
  ];
  return [`  ${fault.name}:`, ...body.map((line) => `    ${line}`)];
}
