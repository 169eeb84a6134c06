import { join } from "node:path";

import { z } from "zod";

export const ROOT = join(import.meta.dir, "../..");
export const WORKFLOWS = [
  ".github/workflows/ci.yml",
  ".github/workflows/release.yml",
  "examples/deploy.yml",
  "examples/deploy-key.yml",
  "examples/deploy-oidc.yml",
  "examples/deploy-reviewed.yml",
];

const Step = z.object({
  name: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
});
const Workflow = z.object({
  permissions: z.record(z.string(), z.string()),
  jobs: z.record(
    z.string(),
    z.object({ permissions: z.record(z.string(), z.string()).optional(), steps: z.array(Step) }),
  ),
});

export type Workflow = z.infer<typeof Workflow>;
export type Step = z.infer<typeof Step>;

export function readText(path: string): Promise<string> {
  return Bun.file(join(ROOT, path)).text();
}

export async function readWorkflow(path: string): Promise<Workflow> {
  return Workflow.parse(Bun.YAML.parse(await readText(path)));
}

export async function stepsOf(path: string): Promise<Step[]> {
  return Object.values((await readWorkflow(path)).jobs).flatMap((job) => job.steps);
}

/** The script of the named step. */
export async function scriptOf(path: string, name: string): Promise<string> {
  const step = (await stepsOf(path)).find((candidate) => candidate.name === name);
  if (step?.run === undefined) throw new Error(`${path} has no step "${name}" with a script`);
  return step.run;
}
