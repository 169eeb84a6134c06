import { readFileSync, symlinkSync } from "node:fs";
import { join, relative } from "node:path";

import type { AppBehaviour } from "../test/support/app.ts";
import { type Daemon, startDaemon } from "../test/support/daemon.ts";
import type { EcrTokens } from "../test/support/ecr-tokens.ts";
import { startEcrRegistry } from "../test/support/ecr-registry.ts";
import { startEcr } from "../test/support/ecr.ts";
import { freePort } from "../test/support/free-port.ts";
import { publishImage } from "../test/support/images.ts";
import type { KeyPair } from "../test/support/keys.ts";
import { createProject, type Project } from "../test/support/project.ts";
import { startRegistry } from "../test/support/registry.ts";
import { type Engine, type EngineOptions, findEngine } from "./engine.ts";
import { removeImages } from "./images.ts";
import { builtProgram } from "./program.ts";
import { openShell, type Shell } from "./shell.ts";
import type { Show } from "./show.ts";

/** Everything the story plays with. Disposing of it removes every trace. */
export type Scene = AsyncDisposable & {
  engine: Engine;
  daemon: Daemon;
  project: Project;
  /** In the project's folder, where `./jwt` and the keys are. */
  shell: Shell;
  /** Where the service `web` is published. */
  webUrl: string;
  /** `host:port/web`. */
  repository: string;
  /** What the registry accepts. */
  tokens: EcrTokens;
  /** As `docker push` would. */
  push(version: string, behaviour?: Partial<AppBehaviour>): Promise<void>;
};

/** Sets everything up, each part announced. When `signal` aborts, it ends after the part it is at and removes what there is. */
export async function setScene(show: Show, options: EngineOptions, signal: AbortSignal): Promise<Scene> {
  show.heading("setting up");
  await using parts = new AsyncDisposableStack();
  const engine = parts.use(await findEngine(show, options));
  signal.throwIfAborted();

  const binary = await builtProgram();
  show.part("program", relative(process.cwd(), binary));
  signal.throwIfAborted();

  const ecr = parts.use(startEcr());
  show.part("ECR", `${ecr.url}, a stand-in for AWS's API`);
  const store = parts.use(await startRegistry());
  const registry = parts.use(await startEcrRegistry(store, ecr.tokens));
  show.part("registry", `${registry.address}, asks for ECR's tokens`);
  signal.throwIfAborted();

  parts.defer(() => removeImages(engine, registry.address));
  const webPort = freePort();
  const name = `deployer-demo-${crypto.randomUUID().slice(0, 8)}`;
  const compose = composeFile(registry.address, webPort);
  const project = parts.use(createProject({ docker: engine, name, compose }));
  const webUrl = `http://127.0.0.1:${webPort}/`;
  show.part("project", `web, at ${webUrl}, and db, on which it depends`);

  async function push(version: string, behaviour: Partial<AppBehaviour> = {}): Promise<void> {
    await publishImage(registry, { repository: "web", tag: version, version, ...behaviour });
  }

  await push("v1");
  await publishImage(registry, { repository: "db", tag: "v1", version: "db" });
  const shell = openShell(project.dir, show, signal);
  const keys = await makeKeys(project.dir, binary, shell);
  signal.throwIfAborted();

  const daemon = parts.use(
    await startDaemon({
      binary,
      keys,
      dockerHost: engine.host,
      composeFile: project.file,
      ecrDomain: registry.address,
      ecrUrl: ecr.url,
      // the routes for playing; so the daemon is to be reached from this machine only
      env: { DEBUG_MODE: "true", BIND_ADDRESS: "127.0.0.1" },
    }),
  );
  // a deployment under way comes to its end first: nothing is created behind the removal's back
  parts.defer(async () => void (await daemon.stop()));
  show.part("daemon", daemon.url);

  const all = parts.move();
  return {
    engine,
    daemon,
    project,
    shell,
    webUrl,
    repository: `${registry.address}/web`,
    tokens: ecr.tokens,
    push,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Called by the name `jwt`, the program is the jwt tool. */
async function makeKeys(folder: string, program: string, shell: Shell): Promise<KeyPair> {
  symlinkSync(program, join(folder, "jwt"));
  await shell.quietly("./jwt keygen");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return { privatePem: read("private.pem"), publicPem: read("public.pem") };
}

function composeFile(registry: string, webPort: number): string {
  return `services:
  web:
    image: ${registry}/web:v1
    depends_on: [db]
    ports: ["127.0.0.1:${webPort}:8080"]
  db:
    image: ${registry}/db:v1
`;
}
