import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tool } from "./tool.ts";
import { scriptOf } from "./workflow.ts";

tool("curl", "curl");
tool("jq", "jq");

const DEADLINE = 30_000;
const IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/frontend:v42";

type Call = { request: string; authorization: string | null; prefer: string | null; body: string };
type Run = { exitCode: number; output: string; calls: Call[] };

test(
  "a deployment that ends in time is one request",
  async () => {
    const { exitCode, output, calls } = await run(() => new Response("deploy request successful\n"));

    expect(output).toContain("deploy request successful");
    expect(exitCode).toBe(0);
    expect(calls).toEqual([
      {
        request: "POST /deploy",
        authorization: "Bearer a.b.c",
        prefer: "wait=50",
        body: `${JSON.stringify({ service: "frontend", image: IMAGE })}\n`,
      },
    ]);
  },
  DEADLINE,
);

test(
  "a deployment that takes longer is followed at its Location until it succeeds",
  async () => {
    const statuses = ["queued", "running", "succeeded"];
    const { exitCode, calls } = await run((request) =>
      request.method === "POST" ? accepted() : Response.json({ status: statuses.shift() }),
    );

    expect(exitCode).toBe(0);
    expect(calls.map((call) => call.request)).toEqual([
      "POST /deploy",
      "GET /deployments/d1",
      "GET /deployments/d1",
      "GET /deployments/d1",
    ]);
    expect(calls.every((call) => call.authorization === "Bearer a.b.c" && call.prefer === "wait=50")).toBe(
      true,
    );
  },
  DEADLINE,
);

test(
  "a deployment that fails later fails the job and shows the reason",
  async () => {
    const { exitCode, output } = await run((request) =>
      request.method === "POST" ? accepted() : Response.json({ status: "failed", reason: "exited with 1" }),
    );

    expect(exitCode).toBe(1);
    expect(output).toContain("exited with 1");
  },
  DEADLINE,
);

test(
  "an answer that gets lost is asked for again, never deployed again",
  async () => {
    const replies = [new Response("bad gateway", { status: 502 }), Response.json({ status: "succeeded" })];
    const { exitCode, calls } = await run((request) =>
      request.method === "POST" ? accepted() : (replies.shift() ?? new Response()),
    );

    expect(exitCode).toBe(0);
    expect(calls.filter((call) => call.request === "POST /deploy")).toHaveLength(1);
  },
  DEADLINE,
);

test.each([401, 422, 500, 503])(
  "a refusal with %d fails the job and shows the words",
  async (status) => {
    const { exitCode, output, calls } = await run(() => new Response("because\n", { status }));

    expect(exitCode).toBe(1);
    expect(output).toContain("because");
    expect(calls).toHaveLength(1);
  },
  DEADLINE,
);

function accepted(): Response {
  return new Response("accepted\n", { status: 202, headers: { Location: "/deployments/d1" } });
}

/** Runs the Deploy step of the example against a daemon that answers as `answer` says. */
async function run(answer: (request: Request) => Response): Promise<Run> {
  const calls: Call[] = [];
  const folder = mkdtempSync(join(tmpdir(), "calling-"));
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      calls.push({
        request: `${request.method} ${new URL(request.url).pathname}`,
        authorization: request.headers.get("Authorization"),
        prefer: request.headers.get("Prefer"),
        body: Buffer.from(await request.text(), "base64").toString(),
      });
      return answer(request);
    },
  });
  try {
    writeFileSync(join(folder, "jwt"), "#!/bin/sh\necho a.b.c\n");
    chmodSync(join(folder, "jwt"), 0o755);
    const script = await scriptOf("examples/deploy.yml", "Deploy");
    const child = Bun.spawn(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], {
      cwd: folder,
      env: {
        PATH: process.env["PATH"],
        RUNNER_TEMP: folder,
        DEPLOYER_URL: `http://127.0.0.1:${server.port}`,
        SERVICE: "frontend",
        IMAGE,
      },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { exitCode: await child.exited, output: out + error, calls };
  } finally {
    await server.stop(true);
    rmSync(folder, { recursive: true });
  }
}
