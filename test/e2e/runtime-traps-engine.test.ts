import { expect, test } from "bun:test";

import { fakeEngine } from "../../src/docker/fake-engine.ts";
import { startAlone } from "../contract/refused-start.ts";
import type { Daemon } from "../support/daemon.ts";
import { run } from "../support/run.ts";
import { stage, stageDaemon, stageProject, startAws } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

/** More than the 256 requests that the runtime sends at a time by itself. */
const SERVICES = 300;
const BATCH = 100;
const CALLS_DEADLINE = 20_000;
/** Seconds after which the runtime gives up a silent answer; by itself it is 360. It looks every few seconds. */
const RUNTIME_IDLE_SECONDS = 2;
const SILENCE = 15_000;
const INFO = { OSType: "linux", Architecture: "x86_64", DockerRootDir: "/" };

test("300 slow answers of Docker at once leave room for the next question", async () => {
  let waiting = 0;
  await using engine = fakeEngine(({ signal }, { pathname }) => {
    if (pathname.endsWith("/containers/json")) return Response.json([]);
    if (pathname.endsWith("/info")) return Response.json(INFO);
    if (pathname.includes("/images/")) return Response.json({ message: "No such image" }, { status: 404 });
    if (pathname.includes("/distribution/")) {
      waiting += 1;
      signal.addEventListener("abort", () => (waiting -= 1));
    }
    return new Promise<Response>(() => undefined);
  });
  const services = Array.from({ length: SERVICES }, (_, index) => `s${index}`);
  await using project = stageProject({
    compose: `services:\n${services
      .map((name) => `  ${name}:\n    image: registry.example/${name}:v1\n    profiles: [manual]\n`)
      .join("")}`,
  });
  await using daemon = await startAlone({
    dockerHost: engine.host.text,
    composeFile: project.file,
    env: { REGISTRY_AUTH: "none" },
  });
  // Fewer at a time than may wait in the queue.
  for (let next = 0; next < SERVICES; next += BATCH) {
    const batch = services.slice(next, next + BATCH);
    const accepted = batch.map((service) => daemon.deploy({ service }, { Prefer: "respond-async" }));
    for (const { status } of await Promise.all(accepted)) expect(status).toBe(202);
  }
  await waitFor("all of them to be asked at once", CALLS_DEADLINE, () => waiting === SERVICES);
  expect(await dockerIsReady(daemon)).toBe(true);
});

test("an answer that is silent for longer than the runtime's own limit is not given up", async () => {
  const env = { BUN_CONFIG_HTTP_IDLE_TIMEOUT: String(RUNTIME_IDLE_SECONDS) };
  await using engine = fakeEngine((_, { pathname }) => {
    if (pathname.endsWith("/containers/json")) return Response.json([]);
    return new Response(new ReadableStream({ start() {} }));
  });
  await using project = stageProject({ compose: "services: {}\n" });
  await using daemon = await startAlone({
    dockerHost: engine.host.text,
    composeFile: project.file,
    env: { REGISTRY_AUTH: "none", ...env },
  });
  const listens = () => engine.requests.some((line) => line.includes("/events"));
  await waitFor("the daemon to listen to Docker", CALLS_DEADLINE, listens);

  const plain = run(
    [
      process.execPath,
      "-e",
      `await fetch("http://docker/silent", { unix: "${engine.host.unix}" })
         .then((reply) => reply.text())
         .catch((error) => console.log(error.name))`,
    ],
    { env: { ...project.env, ...env }, deadline: SILENCE },
  );
  expect((await plain).stdout).toBe("TimeoutError\n");

  expect(daemon.log().map(({ message }) => message)).not.toContain("Docker went away");
  expect(engine.requests.filter((line) => line.includes("/events"))).toHaveLength(1);
});

test("the limit that the program sets for itself does not reach Compose, one that the operator sets does", async () => {
  await using aws = await startAws();
  const { reference } = await aws.publish("web", "v1");
  for (const [given, seen] of [
    ["", "unset"],
    ["512", "512"],
  ]) {
    await using project = stageProject({
      compose: `services:\n  web:\n    image: ${reference}\n    environment:\n      LIMIT: "\${BUN_CONFIG_MAX_HTTP_REQUESTS:-unset}"\n`,
    });
    await using daemon = await stageDaemon(project, aws, {
      env: { BUN_CONFIG_MAX_HTTP_REQUESTS: given ?? "" },
    });
    await daemon.waitForLog(({ message }) => message === "services are up");
    const [container] = await project.containers();
    const inspected = await stage().docker.docker(
      "inspect",
      "--format",
      "{{.Config.Env}}",
      container?.id ?? "",
    );
    expect(inspected.stdout).toContain(`LIMIT=${seen}`);
  }
});

async function dockerIsReady(daemon: Daemon): Promise<boolean> {
  const ready = await daemon.request("GET", "/ready");
  return (JSON.parse(ready.text) as { docker: string }).docker === "ok";
}
