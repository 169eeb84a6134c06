import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { z } from "zod";

import { JOB } from "./github-claims.ts";
import { readLog, type RunnerLog } from "./runner-log.ts";
import { BASE_ENV } from "./run.ts";

/** A step of a job that uses our action, as GitHub's runner runs it. */
export type Step = {
  /** What it has printed so far. */
  printed(): string;
  /** As when the job is cancelled. */
  cancel(): void;
  ended: Promise<StepResult>;
};

export type StepResult = {
  exitCode: number;
  /** What the runner makes of what it printed. */
  log: RunnerLog;
  /** As it was printed. */
  raw: string;
  outputs: Record<string, string>;
  summary: string;
};

export type StepOptions = {
  /** Those that are not given have the defaults of action.yml. */
  inputs: Readonly<Record<string, string>>;
  run?: { number: number; attempt?: number };
  env?: Readonly<Record<string, string>>;
};

const ROOT = join(import.meta.dir, "../..");
const DEADLINE = 110_000;

const Definition = z.object({
  inputs: z.record(z.string(), z.object({ default: z.string().optional() })),
  runs: z.object({ main: z.string() }),
});

export async function startStep({ inputs, run = { number: 1 }, env = {} }: StepOptions): Promise<Step> {
  const definition = Definition.parse(Bun.YAML.parse(readFileSync(join(ROOT, "action.yml"), "utf8")));
  const folder = mkdtempSync(join(tmpdir(), "dstest-step-"));
  const files = { GITHUB_OUTPUT: join(folder, "output"), GITHUB_STEP_SUMMARY: join(folder, "summary") };
  for (const file of Object.values(files)) writeFileSync(file, "");
  const child = Bun.spawn(["node", join(ROOT, definition.runs.main)], {
    cwd: folder,
    env: {
      ...BASE_ENV,
      ...files,
      ...variables(inputs, definition.inputs),
      GITHUB_ACTIONS: "true",
      GITHUB_REPOSITORY_ID: JOB.repositoryId,
      GITHUB_WORKFLOW_REF: "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main",
      GITHUB_RUN_NUMBER: String(run.number),
      GITHUB_RUN_ATTEMPT: String(run.attempt ?? 1),
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE);
  let printed = "";
  const read = Promise.all(
    [child.stdout, child.stderr].map(async (stream) => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) printed += decoder.decode(chunk, { stream: true });
    }),
  );

  async function end(): Promise<StepResult> {
    try {
      const exitCode = await child.exited;
      await read;
      return {
        exitCode,
        log: readLog(printed),
        raw: printed,
        outputs: readOutputs(readFileSync(files.GITHUB_OUTPUT, "utf8")),
        summary: readFileSync(files.GITHUB_STEP_SUMMARY, "utf8"),
      };
    } finally {
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
    }
  }

  return { printed: () => printed, cancel: () => child.kill("SIGINT"), ended: end() };
}

export async function runStep(options: StepOptions): Promise<StepResult> {
  return await (
    await startStep(options)
  ).ended;
}

function variables(
  given: StepOptions["inputs"],
  known: z.infer<typeof Definition>["inputs"],
): Record<string, string> {
  const stray = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (stray !== undefined) throw new Error(`action.yml has no input ${stray}`);
  return Object.fromEntries(
    Object.entries(known).map(([name, input]) => [
      `INPUT_${name.toUpperCase()}`,
      given[name] ?? input.default ?? "",
    ]),
  );
}

/** `NAME=VALUE`, or `NAME<<END`, lines, `END` (actions/runner, FileCommandManager.cs). */
function readOutputs(text: string): Record<string, string> {
  const outputs: Record<string, string> = {};
  const lines = text.split("\n");
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name, end] = /^([^=]+?)<<(.+)$/.exec(line) ?? [];
    if (name !== undefined && end !== undefined) {
      const length = lines.indexOf(end);
      if (length === -1) throw new Error(`output ${name} has no end`);
      outputs[name] = lines
        .splice(0, length + 1)
        .slice(0, -1)
        .join("\n");
    } else if (line.includes("="))
      outputs[line.slice(0, line.indexOf("="))] = line.slice(line.indexOf("=") + 1);
    else if (line !== "") throw new Error(`not an output: ${line}`);
  }
  return outputs;
}
