import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { z } from "zod";

import type { DockerClient } from "./docker-client.ts";
import { attempt, BASE_ENV, type Result, run } from "./run.ts";
import { withShortWatch } from "./short-watch.ts";

/** A compose project in a folder of its own, whose name is the project's, as with the original's users. */
export type Project = {
  name: string;
  dir: string;
  /** Path of `docker-compose.yml`. */
  file: string;
  /** What a person at the project's shell would have: for commands run by hand. HOME is the project's own. */
  env: Readonly<Record<string, string>>;
  /** `docker compose -f <file> …`; a non-zero exit throws. */
  compose(...args: string[]): Promise<Result>;
  tryCompose(...args: string[]): Promise<Result>;
  /** `docker login` as the person at the shell does it; kept in the project's HOME. */
  login(registry: string, user: string, password: string): Promise<void>;
  /** All containers of the project in any state, oldest first. */
  containers(): Promise<ProjectContainer[]>;
  /** Replaces the compose file. */
  write(compose: string): void;
  /** Writes another file, path relative to `dir`. */
  writeFile(path: string, content: string, mode?: number): void;
  /** Removes containers, networks, volumes and files, those of its edge too, whatever the compose file says by then. */
  remove(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

type ProjectContainer = {
  id: string;
  name: string;
  service: string;
  /** `running`, `exited`, `created` … */
  state: string;
  /** The image as the container was told. */
  image: string;
  imageId: string;
  /** Ports of this machine by container port: `{ 8080: 32768 }`. */
  ports: Readonly<Record<number, number>>;
};

export type ProjectOptions = {
  docker: DockerClient;
  /** Default: a new one. */
  name?: string;
  /** Text of docker-compose.yml. */
  compose: string;
  /** Text of `.env`. */
  dotenv?: string;
  /** Other files by path relative to the folder. */
  files?: Readonly<Record<string, string>>;
  /** Default: services that say nothing of `x-deployer.watch` are watched a second only. */
  watch?: "as written";
};

const COMPOSE_FILE = "docker-compose.yml";

const ContainerList = z.array(
  z.object({
    Id: z.string(),
    Names: z.array(z.string()),
    Labels: z.record(z.string(), z.string()),
    State: z.string(),
    Image: z.string(),
    ImageID: z.string(),
    Created: z.number(),
    Ports: z.array(z.object({ PrivatePort: z.number(), PublicPort: z.number().optional() })),
  }),
);

export function createProject({
  docker,
  compose,
  dotenv,
  files,
  watch,
  ...options
}: ProjectOptions): Project {
  const root = mkdtempSync(join(tmpdir(), "dstest-project-"));
  const name = options.name ?? `p${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const dir = join(root, name);
  const home = join(root, "home");
  const file = join(dir, COMPOSE_FILE);
  const env = { ...BASE_ENV, HOME: home, DOCKER_HOST: docker.host };
  const composeText = (text: string) => (watch === "as written" ? text : withShortWatch(text));
  const composeArgv = (args: readonly string[]) => ["docker", "compose", "-f", file, ...args];

  function writeFile(path: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), content, { mode });
  }

  mkdirSync(home, { recursive: true });
  writeFile(COMPOSE_FILE, composeText(compose));
  if (dotenv !== undefined) writeFile(".env", dotenv);
  for (const [path, content] of Object.entries(files ?? {})) writeFile(path, content);

  const project: Project = {
    name,
    dir,
    file,
    env,
    compose: (...args) => run(composeArgv(args), { env, cwd: dir }),
    tryCompose: (...args) => attempt(composeArgv(args), { env, cwd: dir }),
    async login(registry, user, password) {
      await run(["docker", "login", "--username", user, "--password-stdin", registry], {
        env,
        stdin: password,
      });
    },
    containers: () => listContainers(docker, name),
    write: (text) => writeFile(COMPOSE_FILE, composeText(text)),
    writeFile,
    async remove() {
      for (const each of [`${name}-edge`, name]) await removeObjects(docker, each);
      rmSync(root, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => project.remove(),
  };
  return project;
}

async function listContainers(docker: DockerClient, project: string): Promise<ProjectContainer[]> {
  const reply = await docker.api(`/containers/json?all=1&filters=${labelFilter(project)}`);
  const rows = ContainerList.parse(await reply.json());
  return rows
    .toSorted((a, b) => a.Created - b.Created)
    .map((row) => ({
      id: row.Id,
      name: row.Names[0]?.replace(/^\//, "") ?? "",
      service: row.Labels["com.docker.compose.service"] ?? "",
      state: row.State,
      image: row.Image,
      imageId: row.ImageID,
      ports: Object.fromEntries(
        row.Ports.flatMap(({ PrivatePort, PublicPort }) =>
          PublicPort === undefined ? [] : [[PrivatePort, PublicPort]],
        ),
      ),
    }));
}

/** Not by `compose down`: a test may have broken the file, or changed the name in it. */
async function removeObjects(docker: DockerClient, project: string): Promise<void> {
  if (!(await docker.answers())) return;
  for (const { id } of await listContainers(docker, project)) {
    await docker.api(`/containers/${id}?force=1&v=1`, { method: "DELETE" });
  }
  const label = `label=com.docker.compose.project=${project}`;
  for (const kind of ["network", "volume"]) {
    const { stdout } = await docker.tryDocker(kind, "ls", "--quiet", "--filter", label);
    const ids = stdout.split("\n").filter((id) => id !== "");
    if (ids.length > 0) await docker.tryDocker(kind, "rm", ...ids);
  }
}

function labelFilter(project: string): string {
  return encodeURIComponent(JSON.stringify({ label: [`com.docker.compose.project=${project}`] }));
}
