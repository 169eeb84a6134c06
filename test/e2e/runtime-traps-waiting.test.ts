import { afterAll, beforeAll, expect, test } from "bun:test";

import { encoded } from "../contract/http-case.ts";
import type { Daemon } from "../support/daemon.ts";
import type { Published } from "../support/push-image.ts";
import type { Project } from "../support/project.ts";
import { bytesOf, connect, parseReply } from "../support/raw-http.ts";
import { type Aws, stageDaemon, stageProject, startAws } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const SETUP_DEADLINE = 180_000;
const REPLY_DEADLINE = 60_000;
/** The runtime cuts what is idle for its 10 s some seconds later. */
const IDLE_CUT_DEADLINE = 25_000;
const LONGER_THAN_IDLE = 12_500;
const DRIP_BYTES = 200;
const DRIP_PAUSE = 500;

let aws: Aws;
let project: Project;
let daemon: Daemon;
let v2: Published;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  aws = stack.use(await startAws());
  await aws.publish("web", "stubborn", { ignoresTerm: true });
  await aws.publish("web", "v1");
  v2 = await aws.publish("web", "v2");
  const service = (name: string, tag: string, grace: string) =>
    `  ${name}:\n    image: ${aws.repository("web")}:${tag}\n    stop_grace_period: ${grace}\n`;
  project = stack.use(
    stageProject({
      compose: `services:\n${service("slow", "stubborn", "13s")}${service("drip", "v1", "1s")}${service("half", "v1", "1s")}${service("gone", "v1", "1s")}`,
    }),
  );
  daemon = stack.use(await stageDaemon(project, aws));
  await daemon.waitForLog(({ message }) => message === "services are up", SETUP_DEADLINE);
}, SETUP_DEADLINE);

afterAll(() => stack.disposeAsync(), SETUP_DEADLINE);

test.concurrent(
  "who waits for a long deployment is not cut, nor who asks for its end, and is cut when idle afterwards",
  async () => {
    const asked = performance.now();
    await using connection = await connect(daemon.port);
    connection.send(await deployRequest("slow", "keep-alive"));
    const accepted = await daemon.waitForLog(
      ({ message, fields }) => message === "deployment accepted" && fields?.["service"] === "slow",
    );
    const id = String(accepted.fields?.["deployment"]);
    const follower = daemon.request("GET", `/deployments/${id}`, {
      headers: { Authorization: `Bearer ${await daemon.token()}`, Prefer: "wait=50" },
    });
    await waitFor("the reply", REPLY_DEADLINE, () => connection.received() !== "" || connection.isClosed());
    expect(performance.now() - asked).toBeGreaterThan(LONGER_THAN_IDLE);
    const reply = parseReply(connection.received());
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service slow\n"]);
    expect(reply.headers.get("Deployer-Deployment")).toBe(id);
    const followed = await follower;
    expect(followed.status).toBe(200);
    expect(JSON.parse(followed.text)).toMatchObject({ id, status: "succeeded" });
    await connection.untilClosed(IDLE_CUT_DEADLINE);
  },
);

test.concurrent(
  "a body that drips in over a slow line for longer than the idle time is accepted",
  async () => {
    const began = performance.now();
    await using connection = await connect(daemon.port);
    const filler = "x".repeat(4_000);
    const body = encoded({ service: "drip", image: v2.reference, filler });
    const whole = Buffer.from(bytesOf({ ...(await deployParts("drip", "close")), body }));
    const bodyStart = whole.length - body.length;
    connection.send(whole.subarray(0, bodyStart));
    for (let at = bodyStart; at < whole.length; at += DRIP_BYTES) {
      await Bun.sleep(DRIP_PAUSE);
      connection.send(whole.subarray(at, at + DRIP_BYTES));
    }
    expect(performance.now() - began).toBeGreaterThan(LONGER_THAN_IDLE);
    const reply = parseReply(await connection.untilClosed(REPLY_DEADLINE));
    expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service drip\n"]);
  },
);

test.concurrent("a caller who says that he will send no more still has his deployment run", async () => {
  await using connection = await connect(daemon.port);
  connection.send(await deployRequest("half", "close"));
  connection.endSending();
  await runsSecondVersion("half");
});

test.concurrent("a caller who goes away changes nothing", async () => {
  await using connection = await connect(daemon.port);
  connection.send(await deployRequest("gone", "close"));
  await daemon.waitForLog(
    ({ message, fields }) => message === "deployment accepted" && fields?.["service"] === "gone",
  );
  await connection[Symbol.asyncDispose]();
  await runsSecondVersion("gone");
  const end = await daemon.waitForLog(
    ({ message, fields }) => message === "deployment ended" && fields?.["service"] === "gone",
  );
  expect(end.fields).toMatchObject({ status: "succeeded" });
});

async function deployParts(service: string, connection: string) {
  return {
    method: "POST",
    target: "/deploy",
    headers: [
      ["Authorization", `Bearer ${await daemon.token()}`],
      ["Connection", connection],
    ],
    body: encoded({ service, image: v2.reference }),
  } as const;
}

async function deployRequest(service: string, connection: string): Promise<Uint8Array> {
  return bytesOf(await deployParts(service, connection));
}

async function runsSecondVersion(service: string): Promise<void> {
  await waitFor(`${service} to run the second version`, REPLY_DEADLINE, async () => {
    const containers = await project.containers();
    const own = containers.filter((container) => container.service === service);
    return (
      own.length === 1 && own.every(({ state, imageId }) => state === "running" && imageId === v2.imageId)
    );
  });
}
