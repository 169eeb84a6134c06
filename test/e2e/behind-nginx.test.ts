import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { eventsOf, idOf, recordOf } from "../support/deployment-record.ts";
import { inNetworkOf, peerService, startPeer } from "../support/peer.ts";
import type { Project } from "../support/project.ts";
import { BASE_ENV } from "../support/run.ts";
import { startScene } from "../support/scene.ts";
import { endProcess, tied } from "../support/tied-process.ts";

const URL = "http://127.0.0.1/";
const PER_SECOND = 200;
/** Of that: a peer that falls far behind would show little, one on a busy machine a bit behind shows enough. */
const ASKED_AT_LEAST = 0.5;
/** After the end: what the proxy still remembers of the old container must do no harm either. */
const AFTERWARDS_MS = 3_000;

test("behind nginx as the example sets it up, rolling deployments under load lose nothing, and drain the old one first", async () => {
  await using scene = await startScene({
    compose: async (aws) => {
      for (const version of ["v1", "v2", "v3"]) await aws.publish("web", version, { drainFor: 0.5 });
      return composeFile(aws.repository("web"));
    },
  });
  const { project, daemon, aws } = scene;
  await using _nginx = await startNginx(project);
  await using peer = await startPeer(project, [{ url: URL, perSecond: PER_SECOND }]);
  await peer.next(URL, ({ version }) => version === "v1");

  for (const version of ["v2", "v3"]) {
    const since = Date.now();
    const id = idOf(await daemon.deploy({ service: "web", image: `${aws.repository("web")}:${version}` }));
    expect((await recordOf(daemon, id)).status).toBe("succeeded");
    const told = (await eventsOf(daemon, id)).map(({ phase, level, text }) => `${phase} ${level} ${text}`);
    expect(told).toContainEqual(expect.stringMatching(/^draining info web: \/bin\/sh -c .* in \w+$/));
    const endedAt = Date.now();
    await peer.next(URL, ({ at }) => at > endedAt + AFTERWARDS_MS);
    const answers = peer.answers(URL, since);
    expect(answers.filter(({ failure, retried }) => (failure ?? retried) !== undefined)).toEqual([]);
    expect(answers.at(-1)?.version).toBe(version);
    const seconds = (Date.now() - since) / 1_000;
    expect(answers.length).toBeGreaterThan(seconds * PER_SECOND * ASKED_AT_LEAST);
  }
});

function composeFile(repository: string): string {
  return `services:
  web:
    image: ${repository}:v1
    environment: { APP_PORT: "80" }
    stop_grace_period: 5s
    x-deployer:
      strategy: rolling
      health: /cgi-bin/health
      port: 80
      watch: 3s
      drain_command: [/bin/sh, -c, "sleep 0.2"]
${peerService(`${repository}:v1`)}`;
}

/** In the network of the project's `peer`: the program is this machine's, what it sees is what a container sees. */
async function startNginx(project: Project): Promise<AsyncDisposable> {
  const dir = mkdtempSync(join(tmpdir(), "dstest-nginx-"));
  const example = await Bun.file("examples/nginx.conf").text();
  writeFileSync(join(dir, "nginx.conf"), example.replace("http://web:3000", "http://web:80"));
  const settings = `daemon off; pid ${dir}/nginx.pid; error_log ${dir}/error.log;`;
  const argv = ["nginx", "-p", dir, "-c", join(dir, "nginx.conf"), "-g", settings];
  const child = Bun.spawn(tied([...(await inNetworkOf(project)), ...argv]), {
    env: BASE_ENV,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
    detached: true,
  });
  return {
    async [Symbol.asyncDispose]() {
      await endProcess(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
