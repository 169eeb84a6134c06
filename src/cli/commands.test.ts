import { expect, test } from "bun:test";

import type { ServiceAnswer } from "../client/answers.ts";
import { ClientError } from "../client/client-error.ts";
import type { DeploymentStatus } from "../core/deployment.ts";
import { runCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { deploymentAnswer, fakeIo, following } from "./fake-io.ts";
import { tellPlainly } from "./plain.ts";
import { COMMAND_HELP, type CommandName, isCommandName } from "./help.ts";

const DIGEST = `sha256:${"1a2b3c4d5e6f".repeat(6).slice(0, 64)}`;

async function run(line: string, client: Parameters<typeof fakeIo>[0] = {}) {
  const { io, said } = fakeIo(client);
  const [name = "", ...args] = line.split(" ");
  if (!isCommandName(name)) throw new Error(`no command ${name}`);
  return { exitCode: await runCommand(name, COMMANDS[name], args, io), ...said };
}

test.each(Object.keys(COMMAND_HELP) as CommandName[])(
  "%s explains itself, and refuses what it does not know",
  async (name) => {
    for (const flag of ["--help", "-h"])
      expect(await run(`${name} ${flag}`)).toEqual({ exitCode: 0, stdout: COMMAND_HELP[name], stderr: "" });
    const wrong = await run(`${name} --nosuch`);
    expect([wrong.exitCode, wrong.stdout]).toEqual([2, ""]);
    expect(wrong.stderr).toMatch(
      new RegExp(`^Usage: deployer-service ${name}.*\n.*help ${name}.*\ndeployer-service: .+\n$`),
    );
  },
);

test("help of a docker compose command is asked of docker compose", async () => {
  const { exitCode, stdout } = await run("compose -- up --help", {
    compose: async () => Promise.reject(new ClientError("unreachable", "no daemon")),
  });
  expect([exitCode, stdout]).toEqual([7, ""]);
});

test.each<[DeploymentStatus, number]>([
  ["succeeded", 0],
  ["failed", 1],
  ["rolled_back", 3],
  ["superseded", 4],
  ["rollback_failed", 5],
])("a rollback that ends as %s has exit code %d", async (status, exitCode) => {
  const ended = deploymentAnswer({ status, reason: "why\nwhat serves now: v1" });
  const result = await run("rollback web --to d0", {
    rollback: async (request) => {
      expect(request).toEqual({ service: "web", to: "d0" });
      return following([1, 2], ended);
    },
  });
  expect(result.exitCode).toBe(exitCode);
  expect(result.stderr).toMatch(/event 1\n.*event 2\n$/);
  expect(result.stdout).toContain(`deployment d1 of web: ${status} in 5.0 s\n`);
  expect(result.stdout).toEndWith("why\nwhat serves now: v1\n");
});

test.each<[code: string, exitCode: number]>([
  ["unauthorized", 6],
  ["forbidden", 6],
  ["unreachable", 7],
  ["superseded", 4],
  ["conflict", 1],
])("what is refused as %s has exit code %d, and its reason on stderr", async (code, exitCode) => {
  const result = await run("restart web", {
    restart: async () => Promise.reject(new ClientError(code, "the reason")),
  });
  expect(result).toEqual({ exitCode, stdout: "", stderr: "deployer-service: the reason\n" });
});

test("a deployment is asked for as the flags say, and its end is the result", async () => {
  const ended = deploymentAnswer({ status: "rolled_back", reason: "why" });
  const result = await run("deploy web worker --image shop/web:v2 --force --run 1/deploy.yml:41:2 --json", {
    deploy: async (order) => {
      expect(order).toEqual({
        services: ["web", "worker"],
        image: "shop/web:v2",
        force: true,
        run: { workflow: "1/deploy.yml", number: 41, attempt: 2 },
      });
      return following([1], ended);
    },
  });
  expect(result.exitCode).toBe(3);
  expect(JSON.parse(result.stdout)).toEqual(ended);
  expect(result.stderr).toMatch(/event 1\n$/);
});

test("nothing is asked for that was not said", async () => {
  const orders: unknown[] = [];
  const deploy = async (order: unknown) => {
    orders.push(JSON.parse(JSON.stringify(order)));
    return following([], deploymentAnswer());
  };
  expect((await run("deploy web", { deploy })).exitCode).toBe(0);
  await run("deploy web --run group:shop:7", { deploy });
  expect(orders).toEqual([
    { services: ["web"] },
    { services: ["web"], run: { workflow: "group:shop", number: 7, attempt: 1 } },
  ]);
});

test.each(["deploy web", "rollback web"])("%s --no-wait ends when it is accepted", async (line) => {
  const later = async () => deploymentAnswer({ status: "queued", ended_at: null });
  const client = { deployLater: later, rollbackLater: later };
  const result = await run(`${line} --no-wait`, client);
  expect(result).toEqual({
    exitCode: 0,
    stdout: 'deployment d1 of web: accepted; "deployer-service logs d1 -f" follows it\n',
    stderr: "",
  });
  expect(JSON.parse((await run(`${line} --no-wait --json`, client)).stdout)).toMatchObject({
    status: "queued",
  });
});

test.each([
  ["deploy", /needs SERVICE/],
  ["deploy web --run 41", /needs WORKFLOW:NUMBER/],
  ["deploy web --run ci:0", /number must be a positive integer/],
  ["deploy web --timeout soon", /needs a time/],
  ["deploy web --timeout 25h", /needs a time/],
  ["deploy web --timeout 0", /needs a time/],
])("%s makes no sense", async (line, complaint) => {
  const result = await run(line);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toMatch(complaint);
});

test("who waits no longer than so is told how it goes on", async () => {
  let isOpen = true;
  const result = await run("deploy web --timeout 1s", {
    deploy: async () => {
      await Bun.sleep(1_100);
      return following([1]);
    },
    follow: async () => {
      isOpen = false;
      return following([]);
    },
  });
  expect([result.exitCode, isOpen]).toEqual([7, true]);
  expect(result.stderr).toContain('it has not ended in time, and goes on; "logs d1 -f" follows it');
});

test("of a daemon elsewhere the guards are not asked", async () => {
  const client = { services: async () => [SERVICE], deployments: async () => [] };
  const { exitCode, stdout } = await run("status --json --url http://localhost:1 --oidc", client);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ services: [SERVICE], running: [], waiting: [] });
});

test("a pull is told now and then where nothing is redrawn", async () => {
  const progress = {
    image: "shop/web:v2",
    downloaded_bytes: 2 ** 20,
    total_bytes: 2 ** 21,
    layers: 2,
    layers_done: 1,
  };
  const { io, said } = fakeIo();
  const teller = tellPlainly(io);
  teller.progress(progress);
  for (let second = 0; second < 25; second += 1) {
    await io.sleep(1_000);
    teller.progress(progress);
  }
  expect(said.stderr.match(/pulling      shop\/web:v2: 1\.0 MiB of 2\.0 MiB, 1 of 2 layers\n/g)).toHaveLength(
    2,
  );
});

test("a story goes on after the daemon was away, without a miss or a second time", async () => {
  const asked: (number | undefined)[] = [];
  const result = await run("logs d1 -f", {
    follow: async (id, after) => {
      asked.push(after);
      if (asked.length === 1) return following([1, 2]);
      if (asked.length < 4) throw new ClientError("unreachable", "no daemon");
      return following([3], deploymentAnswer({ id, status: "rolled_back" }));
    },
  });
  expect(asked).toEqual([undefined, 2, 2, 2]);
  expect(result.stdout.match(/event \d/g)).toEqual(["event 1", "event 2", "event 3"]);
  expect(result.exitCode).toBe(3);
});

test("a daemon that does not come back is given up", async () => {
  const result = await run("logs d1 --follow", { follow: async () => following([]) });
  expect(result.exitCode).toBe(7);
  expect(result.stderr).toContain("the daemon did not come back");
});

test("logs without -f prints what there is", async () => {
  const result = await run("logs d1", {
    events: async () => [
      { seq: 1, at: "2026-11-23T12:00:00Z", phase: "started", level: "info", text: "its turn has come" },
      { seq: 2, at: "2026-11-23T12:00:00Z", phase: "ended", level: "error", text: "failed:\u001b[2J why" },
    ],
  });
  expect(result.exitCode).toBe(0);
  expect(result.stdout).toMatch(
    /^\S+ \S+  started      its turn has come\n\S+ \S+  ended        error: failed: \[2J why\n$/,
  );
});

test("rejected lists what was asked for, whatever a token says of itself", async () => {
  const refusal = {
    at: "2026-11-23T12:00:00Z",
    remote: "192.0.2.7",
    method: "POST",
    path: "/deploy",
    code: "unauthorized",
    cause: "token signature is invalid",
    verified: false,
    claims: { iss: "\u001b[2Jevil\u202e", exp: 1 },
    unlisted: 9_873,
  };
  const forbidden = {
    ...refusal,
    code: "forbidden",
    cause: "no\nrule",
    verified: true,
    claims: { iss: "ci" },
    unlisted: 0,
  };
  const limits: number[] = [];
  const client = {
    rejected: async (limit: number) => {
      limits.push(limit);
      return [refusal, forbidden, { ...refusal, claims: null, unlisted: 0 }];
    },
  };
  const { stdout } = await run("rejected --limit 5", client);
  expect(stdout.split("\n").map((line) => line.split(/ {3,}/).slice(1))).toEqual([
    ["FROM", "REQUEST", "CODE", "CAUSE", "CLAIMS"],
    [
      "192.0.2.7",
      "POST /deploy",
      "unauthorized",
      "token signature is invalid (before it 9873 more, counted only)",
      'not verified {"iss":"\\u001b[2Jevil\\u202e"}',
    ],
    ["192.0.2.7", "POST /deploy", "forbidden", "no\\u000arule", 'verified {"iss":"ci"}'],
    ["192.0.2.7", "POST /deploy", "unauthorized", "token signature is invalid", "-"],
    [],
  ]);
  const json = (await run("rejected --json", client)).stdout;
  expect(json).not.toMatch(/[\p{Cc}\u202e]./u);
  expect(JSON.parse(json).rejected).toHaveLength(3);
  expect(limits).toEqual([5, 20]);
  expect((await run("rejected --limit 1001", client)).exitCode).toBe(2);
  expect((await run("rejected", { rejected: async () => [] })).stdout).toBe(
    "no request was refused for want of a good token\n",
  );
});

test("rejected shows of a token who asked, and all of it as JSON", async () => {
  const github = {
    jti: "8f1c",
    sub: "repo:shop/web:ref:refs/heads/main",
    aud: "https://deploy.example.com#sha256=x",
    ref: "refs/heads/main",
    sha: "a".repeat(40),
    repository: "shop/web",
    event_name: "push",
    iss: "https://token.actions.githubusercontent.com",
  };
  const key = { iss: "ci", exp: 1, jti: "x", req: "y" };
  const found = [github, key, { exp: 1 }].map((claims) => ({
    at: "2026-11-23T12:00:00Z",
    remote: "192.0.2.7",
    method: "POST",
    path: "/deploy",
    code: "forbidden",
    cause: "no rule",
    verified: true,
    claims,
    unlisted: 0,
  }));
  const client = { rejected: async () => found };
  const lines = (await run("rejected", client)).stdout.trimEnd().split("\n").slice(1);
  expect(lines.map((line) => line.split(/ {3,}/).at(-1))).toEqual([
    'verified {"sub":"repo:shop/web:ref:refs/heads/main","repository":"shop/web","ref":"refs/heads/main","event_name":"push"}',
    'verified {"iss":"ci"}',
    "verified {}",
  ]);
  expect(JSON.parse((await run("rejected --json", client)).stdout)).toEqual({ rejected: found });
});

test("history lists what was asked for", async () => {
  const result = await run("history web --status failed --limit 3", {
    deployments: async (filter) => {
      expect(filter).toEqual({ service: "web", status: "failed", limit: 3 });
      return [
        deploymentAnswer(),
        deploymentAnswer({
          id: "d2",
          kind: "rollback",
          services: [{ service: "web", image: null, digest: null }],
        }),
      ];
    },
  });
  expect(
    result.stdout.split("\n").map((line) => line.split(/ {3,}/).filter((_, column) => column !== 1)),
  ).toEqual([
    ["DEPLOYMENT", "SERVICE", "IMAGE", "STATUS", "TOOK"],
    ["d1", "web", "shop/web:v2", "succeeded", "4.0 s"],
    ["d2", "web", "(the version before)", "succeeded", "4.0 s"],
    [""],
  ]);
  expect((await run("history --status gone")).exitCode).toBe(2);
  expect((await run("history --limit 0")).exitCode).toBe(2);
});

const SERVICE: ServiceAnswer = {
  service: "web",
  state: "running",
  health: "healthy",
  replicas: { wanted: 2, running: 1 },
  wanted: { image: `shop/web:v2@${DIGEST}`, digest: DIGEST },
  running: { image: `shop/web:v2@${DIGEST}`, digest: DIGEST, image_id: "sha256:0" },
  since: "2026-11-23T09:00:00Z",
  exit_code: null,
  deployment: "d2",
  drift: [{ kind: "replicas", text: "it should have 2 containers and has 1" }],
  versions: [
    {
      deployment: "d2",
      image: "shop/web:v2",
      digest: DIGEST,
      committed_at: "2026-11-23T09:00:00Z",
      image_state: "present",
      current: true,
    },
    {
      deployment: "d1",
      image: "shop/web:v1",
      digest: DIGEST,
      committed_at: "2026-11-20T09:00:00Z",
      image_state: "missing",
      current: false,
    },
  ],
  edge: {
    routes: [{ host: "shop.example.com", path: "/" }],
    servers: [
      { container: "0123456789abcdef", address: "10.0.0.2:3000", state: "serving" as const, sessions: 7 },
    ],
  },
};

test("status tells what runs, how it differs, what can be gone back to, the newest runs and what is under way", async () => {
  const client: Parameters<typeof fakeIo>[0] = {
    services: async () => [
      SERVICE,
      { ...SERVICE, service: "db", state: "none", running: null, drift: [], versions: [], edge: null },
    ],
    guards: async () => [
      { service: "web", workflow: "1/deploy.yml", number: 41, attempt: 2, deployment: "d2" },
    ],
    deployments: async ({ status = "" }) =>
      status === "queued" ? [deploymentAnswer({ id: "d3", status, started_at: null, ended_at: null })] : [],
  };
  const { exitCode, stdout } = await run("status", client);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^SERVICE {3,}STATE {3,}HEALTH {3,}IMAGE {3,}DIGEST {3,}SINCE {3,}DEPLOYMENT\n/);
  expect(stdout).toMatch(
    /\nweb {3,}running 1\/2 {3,}healthy {3,}shop\/web:v2 {3,}sha256:1a2b3c4d5e6f {3,}3 hours ago {3,}d2\n/,
  );
  expect(stdout).toMatch(/\ndb {3,}no container {3,}/);
  expect(stdout).toContain("  web: it should have 2 containers and has 1\n");
  expect(stdout).toMatch(
    /\nweb {3,}d1 {3,}shop\/web:v1 {3,}sha256:1a2b3c4d5e6f {3,}3 days ago {3,}missing\n/,
  );
  expect(stdout).toMatch(
    /\nweb {3,}shop\.example\.com\/ {3,}0123456789ab {3,}10\.0\.0\.2:3000 {3,}serving {3,}7\n/,
  );
  expect(stdout).toMatch(/\nweb {3,}1\/deploy.yml {3,}41 {3,}2 {3,}d2\n/);
  expect(stdout).toMatch(/\nunder way:\n.*\nd3 {3,}.* queued {3,}-\n$/);

  const json = JSON.parse((await run("status web --json", client)).stdout);
  expect(json.services).toEqual([SERVICE]);
  expect(json.waiting).toHaveLength(1);
  expect((await run("status wbe", client)).stderr).toContain('unknown service "wbe"');
});

test("up follows what it has to deploy, and its exit code is that of the worst", async () => {
  const step = { service: "web", text: "", deployment: null } as const;
  const result = await run("up", {
    up: async () => ({
      services: [
        {
          ...step,
          did: "deploying",
          text: "its configuration differs",
          deployment: deploymentAnswer({ status: "queued" }),
        },
        { ...step, service: "db", did: "brought_up" },
        { ...step, service: "bad", did: "failed", text: "no such image" },
      ],
    }),
    follow: async () => following([1], deploymentAnswer({ status: "rolled_back" })),
  });
  expect(result.exitCode).toBe(1);
  expect(result.stdout).toMatch(/web {3,}deploying {3,}its configuration differs\n/);
  expect(result.stdout).toMatch(/db {3,}brought up {3,}-\n/);
  expect(result.stdout).toContain("deployment d1 of web: rolled_back");
  expect(result.stderr).toMatch(/^web {2}.*event 1\n$/);
});

test("order reset forgets", async () => {
  const client = { forgetGuards: async (service: string) => ({ service, forgotten: 2 }) };
  expect((await run("order reset web", client)).stdout).toBe(
    "web: the newest run of 2 workflows is forgotten\n",
  );
  expect((await run("order forget web", client)).exitCode).toBe(2);
  expect((await run("order reset", client)).exitCode).toBe(2);
});

test("check is the daemon's where one runs, and says so", async () => {
  const result = await run("check --json", {
    checks: async () => [{ name: "disk", ok: false, detail: "full" }],
  });
  expect(result.exitCode).toBe(1);
  expect(JSON.parse(result.stdout)).toEqual({
    ok: false,
    judged: "daemon",
    checks: [{ name: "disk", ok: false, detail: "full" }],
  });
  const text = await run("check", { checks: async () => [{ name: "disk", ok: true, detail: "9 GiB" }] });
  expect(text.stdout).toBe(
    "pass  disk: 9 GiB\nall checks passed (judged by the running daemon, with its environment)\n",
  );
});

test("check judges this shell where no daemon answers, or when it is told to", async () => {
  const away = { checks: async () => Promise.reject(new ClientError("unreachable", "no daemon")) };
  expect(JSON.parse((await run("check --json", away)).stdout)).toMatchObject({ ok: false, judged: "shell" });
  const there = { checks: async () => [] };
  expect(JSON.parse((await run("check --json --here", there)).stdout)).toMatchObject({ judged: "shell" });
});
