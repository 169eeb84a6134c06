import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod";

import { BUNDLE, bundle } from "./build.ts";
import { readInputs } from "./inputs.ts";

const ROOT = join(import.meta.dir, "..");

const Definition = z.strictObject({
  name: z.string(),
  description: z.string().max(125),
  inputs: z.record(
    z.string(),
    z.strictObject({
      description: z.string(),
      required: z.boolean().optional(),
      default: z.string().optional(),
    }),
  ),
  outputs: z.record(z.string(), z.strictObject({ description: z.string() })),
  runs: z.strictObject({ using: z.literal("node24"), main: z.string() }),
});

async function definition(): Promise<z.infer<typeof Definition>> {
  return Definition.parse(Bun.YAML.parse(await Bun.file(join(ROOT, "action.yml")).text()));
}

const Workflow = z.object({
  jobs: z.record(
    z.string(),
    z.object({
      steps: z.array(
        z.object({ uses: z.string().optional(), with: z.record(z.string(), z.unknown()).optional() }),
      ),
    }),
  ),
});

/** The names of the inputs that each step with this action gives it. */
function stepsUsing(action: string, text: string): string[][] {
  const workflow = Workflow.safeParse(Bun.YAML.parse(text));
  const steps = Object.values(workflow.data?.jobs ?? {}).flatMap((job) => job.steps);
  return steps
    .filter(({ uses }) => uses?.includes(`/${action}@`))
    .map((step) => Object.keys(step.with ?? {}));
}

test("what is committed is what its sources make: after a change, npm run action", async () => {
  const committed = await Bun.file(BUNDLE).text();
  // Not compared by expect: a difference would fill the screen.
  expect((await bundle()) === committed).toBe(true);
});

test("the bundle holds our own code and two libraries, and nothing of the machine it was made on", async () => {
  const committed = await Bun.file(BUNDLE).text();
  const files = [...committed.matchAll(/^\/\/ (\S+\.[jt]s)$/gm)].map(([, file = ""]) => file);
  const packages = new Set(files.flatMap((file) => /^node_modules\/([^/]+)\//.exec(file)?.[1] ?? []));
  expect([...packages].toSorted()).toEqual(["jose", "zod"]);
  expect(
    files.filter((file) => !/^(?:node_modules|action|src\/(?:cli|client|core|tokens))\//.test(file)),
  ).toEqual([]);
  expect(committed).not.toContain(ROOT);
  expect(committed).not.toContain("Bun.");
});

test("the examples give it inputs that it has", async () => {
  const { inputs } = await definition();
  const used = [...new Bun.Glob("examples/*.yml").scanSync(ROOT)].flatMap((file) =>
    stepsUsing("deployer-service", readFileSync(join(ROOT, file), "utf8")),
  );
  expect(used.length).toBeGreaterThan(0);
  for (const given of used) expect(Object.keys(inputs)).toEqual(expect.arrayContaining(given));
});

test("action.yml starts the bundle, and knows the inputs that are read", async () => {
  const { inputs, outputs, runs } = await definition();
  expect(join(ROOT, runs.main)).toBe(BUNDLE);
  expect(Object.keys(outputs)).toEqual(["deployment", "status", "digest"]);
  const asked = new Set<string>();
  const variables = new Proxy<Record<string, string>>(
    {
      GITHUB_WORKFLOW_REF: "o/r/w.yml@refs/heads/main",
      GITHUB_REPOSITORY_ID: "1",
      GITHUB_RUN_NUMBER: "1",
      GITHUB_RUN_ATTEMPT: "1",
    },
    {
      get(target, name: string) {
        const input = /^INPUT_(.+)$/.exec(name)?.[1]?.toLowerCase();
        if (input === undefined) return target[name];
        asked.add(input);
        return inputs[input]?.default ?? { url: "http://host:8686", service: "web" }[input] ?? "";
      },
    },
  );
  expect(readInputs(variables)).toMatchObject({ issuer: "github-actions", timeoutMs: 1_800_000 });
  expect([...asked].toSorted()).toEqual(Object.keys(inputs).toSorted());
});
