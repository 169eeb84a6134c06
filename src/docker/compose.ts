import { existsSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import { DeployerError } from "../core/errors.ts";
import type { Compose, ImageTexts, Project, Source } from "../core/compose.ts";
import type { Log } from "../core/ports.ts";
import { nowhere } from "../core/problem.ts";
import { writeFileAtomically } from "../system/files.ts";
import { newId } from "../system/id.ts";
import type { Run, RunResult } from "../system/run.ts";
import { complaint, hasNoCompose } from "./complaint.ts";
import { placed } from "./complaint-place.ts";
import {
  type CommandLine,
  type ComposeFiles,
  configCommand,
  createCommand,
  createOwnCommand,
  defaultServicesCommand,
  hashCommand,
  recreateCommand,
  runCommand,
  settingsCommand,
} from "./commands.ts";
import { fingerprint } from "./inputs.ts";
import { linesIn } from "./lines.ts";
import { oneOffProject } from "./one-off.ts";
import { createRecords } from "./records.ts";
import { hostFiles, parseResolved, type Resolved, toProject, withImages } from "./resolved.ts";

const CONFIG_DEADLINE_MS = 30_000;
/** Creating waits for the containers it replaces to stop, each within its own grace period. */
const CREATE_DEADLINE_MS = 600_000;
const MAX_CONFIG_BYTES = 16 * 1024 * 1024;
/** A signal to our whole service (the original's unit) ends Compose too; the step is then done again. */
const ATTEMPTS_WHEN_KILLED = 3;

const DONE: RunResult = { exitCode: 0, signal: undefined, stdout: "", stderr: "", timedOut: false };
/** In STATE_DIR, for `docker compose -f <compose file> -f <this>`. */
export const PINS_FILE = "pins.compose.yml";

type Snapshot = { project: Project; resolved: Resolved };

export type ComposeOptions = {
  composeFile: string;
  stateDir: string;
  /** The daemon's own environment: the compose file is interpolated from it. */
  env: Record<string, string | undefined>;
  run: Run;
  log: Log;
};

/** Docker Compose, driven by its command line. */
export function createCompose({ composeFile, stateDir, env, run, log }: ComposeOptions): Compose {
  const records = createRecords(join(stateDir, "configs"));
  const folder = dirname(composeFile);
  const pinsFile = join(stateDir, PINS_FILE);
  const candidateFile = join(stateDir, "candidate.compose.yml");
  let cached: { fingerprint: string; snapshot: Promise<Snapshot> } | undefined;
  let changes: Promise<unknown> = Promise.resolve();

  async function snapshot(): Promise<Snapshot> {
    const now = env["COMPOSE_ENV_FILES"] === undefined ? fingerprint(composeFile) : undefined;
    if (now !== undefined && cached?.fingerprint === now) return await cached.snapshot;
    const fresh = resolve();
    cached = now === undefined ? undefined : { fingerprint: now, snapshot: fresh };
    fresh.catch(() => {
      cached = undefined;
    });
    return await fresh;
  }

  async function resolve(): Promise<Snapshot> {
    const whereIs = linesIn(composeFile);
    const [config, settings, names] = await Promise.all([
      print(configCommand([composeFile])),
      print(settingsCommand([composeFile])),
      print(defaultServicesCommand([composeFile])),
    ]);
    const resolved = parseResolved(config, settings);
    return {
      resolved,
      project: toProject(resolved, new Set(names.split("\n").filter((name) => name !== "")), {
        folder,
        whereIs,
      }),
    };

    async function print(argv: CommandLine): Promise<string> {
      const result = await untilNotKilled("reading the compose file", () =>
        run({ argv, env, deadlineMs: CONFIG_DEADLINE_MS, maxOutputBytes: MAX_CONFIG_BYTES }),
      );
      if (result.exitCode === 0) return result.stdout;
      const text = placed(complaint(result), composeFile);
      throw new DeployerError("compose_file", `compose file ${composeFile}: ${text}`);
    }
  }

  /**
   * One at a time: two changes to one project collide inside Compose.
   * @param command asked for anew before each attempt; undefined when nothing is left to do
   */
  function change(what: string, command: () => Promise<CommandLine | undefined>): Promise<void> {
    const done = changes.then(async () => {
      const result = await untilNotKilled(what, async () => {
        const argv = await command();
        return argv === undefined ? DONE : await run({ argv, env, deadlineMs: CREATE_DEADLINE_MS });
      });
      if (result.exitCode !== 0) throw new DeployerError("rollout", `${what}: ${complaint(result)}`);
    });
    changes = done.catch(() => undefined);
    return done;
  }

  async function untilNotKilled(step: string, command: () => Promise<RunResult>): Promise<RunResult> {
    for (let attempt = 1; ; attempt += 1) {
      const result = await command();
      if (!wasKilled(result) || attempt === ATTEMPTS_WHEN_KILLED) return result;
      log.warn("docker compose was ended by a signal, doing the step again", { step, attempt });
    }
  }

  function files(source: Source): ComposeFiles {
    if ("recorded" in source) return [records.file(source.recorded)];
    writeFileAtomically(candidateFile, pinsYaml(source.images));
    return [composeFile, candidateFile];
  }

  function readRecord(name: string): Resolved {
    const text = records.read(name);
    return parseResolved(text, text);
  }

  async function record(images: ImageTexts): Promise<string> {
    return records.save(withImages((await snapshot()).resolved, images));
  }

  return {
    async project() {
      return (await snapshot()).project;
    },
    async files() {
      return hostFiles((await snapshot()).resolved);
    },
    record,
    async recorded(name) {
      const resolved = readRecord(name);
      return toProject(resolved, withoutProfile(resolved), { folder, whereIs: nowhere });
    },
    async forget(needed) {
      records.forget(needed);
    },
    async labelHash(recorded, service) {
      const argv = hashCommand([records.file(recorded)]);
      const result = await untilNotKilled("reading a recorded configuration", () =>
        run({ argv, env, deadlineMs: CONFIG_DEADLINE_MS }),
      );
      if (result.exitCode !== 0)
        throw new DeployerError("compose_file", `recorded configuration: ${complaint(result)}`);
      const line = result.stdout.split("\n").find((line) => line.startsWith(`${service} `));
      return line?.slice(service.length + 1).trim() ?? "";
    },
    createBeside(source, service, total, others) {
      return change(`creating containers of "${service}"`, async () =>
        createCommand(files(source), service, total, await others()),
      );
    },
    recreate(source, service, prepare) {
      return change(`recreating "${service}"`, async () =>
        recreateCommand(files(source), service, await prepare()),
      );
    },
    async runOneOff(source, service, argv, labels, isNeeded) {
      const recorded = "recorded" in source ? source.recorded : await record(source.images);
      const content = oneOffProject(readRecord(recorded), service);
      // Among the recorded configurations: it holds secrets as they do, and what a killed daemon leaves of it goes with them.
      const file = records.file(`one-off-${newId()}`);
      await change(`running a command of "${service}"`, async () => {
        if (!(await isNeeded())) return undefined;
        writeFileAtomically(file, content);
        return runCommand([file], service, argv, labels);
      }).finally(() => rmSync(file, { force: true }));
    },
    createOwn(own, service, total) {
      return change(`creating containers of "${own.project}"`, async () =>
        createOwnCommand(own, service, total),
      );
    },
    async writePins(images) {
      const content = pinsYaml(images);
      if (existsSync(pinsFile) && readFileSync(pinsFile, "utf8") === content) return;
      writeFileAtomically(pinsFile, content);
    },
  };
}

function withoutProfile({ services }: Resolved): Set<string> {
  const names = Object.keys(services);
  return new Set(names.filter((name) => [services[name]?.["profiles"] ?? []].flat().length === 0));
}

function pinsYaml(images: ImageTexts): string {
  const services = [...images].map(
    ([name, image]) => `  ${JSON.stringify(name)}:\n    image: ${JSON.stringify(image)}\n`,
  );
  const body = services.length === 0 ? "services: {}\n" : `services:\n${services.join("")}`;
  return `# Written by deployer-service. Use it after the compose file: docker compose -f docker-compose.yml -f this up -d\n${body}`;
}

/**
 * 130 and 143 are how Compose reports the signals it handles itself. One that strikes while the docker CLI hands over to
 * its plugin shows as 255 without a word: Compose itself would say what is wrong.
 */
function wasKilled(result: RunResult): boolean {
  const { signal, exitCode, stderr, timedOut } = result;
  if (timedOut || exitCode === 0) return false;
  if (exitCode === 255 && stderr.trim() === "") return true;
  return signal !== undefined || exitCode === 130 || exitCode === 143 || hasNoCompose(result);
}
