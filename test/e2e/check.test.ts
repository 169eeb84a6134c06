import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import type { Log } from "../../src/core/ports.ts";
import { createCompose } from "../../src/docker/compose.ts";
import { run } from "../../src/system/run.ts";
import { codeBlocks } from "../contract/shell.ts";
import { freePort } from "../support/free-port.ts";
import { publishHaproxy } from "../support/haproxy-image.ts";
import { newKeys, sharedKeys } from "../support/keys.ts";
import type { Project } from "../support/project.ts";
import { attempt, BASE_ENV } from "../support/run.ts";
import { type Aws, stage, stageProject, startAws } from "../support/stage.ts";
import { createTestCa } from "../support/test-ca.ts";

const NO_DOCKER = "unix:///nonexistent/docker.sock";
const NAMES = [
  "environment",
  "keys",
  "rules",
  "identity keys",
  "state",
  "docker command",
  "compose plugin",
  "docker",
  "compose file",
  "registry credential",
  "edge",
  "disk",
];

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };

type Verdict = { ok: boolean; checks: { name: string; ok: boolean; detail: string }[] };

test("where everything is right every line passes, for people and as JSON", async () => {
  await using place = await setUp();
  const { aws, project, folder } = place;
  const said = await place.check();
  expect([said.exitCode, said.stderr]).toEqual([0, ""]);
  const lines = said.stdout.trimEnd().split("\n");
  expect(lines.at(-1)).toStartWith("all checks passed (");
  expect(lines.slice(0, -1).map((line) => /^pass {2}([^:]+): \S/.exec(line)?.[1] ?? line)).toEqual(NAMES);

  const { exitCode, verdict } = await place.checkJson();
  expect([exitCode, verdict.ok]).toEqual([0, true]);
  expect(verdict.checks.map(({ name, ok }) => [name, ok])).toEqual(NAMES.map((name) => [name, true]));
  expect(detailOf(verdict, "keys")).toBe("1 usable");
  expect(detailOf(verdict, "state")).toBe(join(folder, "state"));
  expect(detailOf(verdict, "compose file")).toBe(
    `project ${project.name}: web; 1 files it names are readable`,
  );
  expect(detailOf(verdict, "registry credential")).toBe(`ECR gave a token for ${aws.registry.address}`);
  expect(aws.ecr.tokens.issued).toHaveLength(2);
  for (const { password } of aws.ecr.tokens.issued) {
    expect(said.stdout + JSON.stringify(verdict)).not.toContain(password);
  }
});

test("each of several failures is named with what to do, and the rest is checked all the same", async () => {
  await using place = await setUp();
  const { aws, project, folder } = place;
  aws.ecr.fail("AccessDeniedException");
  rmSync(join(project.dir, "password"));
  writeFileSync(join(folder, "deployer.pub"), newKeys().privatePem);
  const env = { DOCKER_HOST: NO_DOCKER };

  const { exitCode, verdict } = await place.checkJson(env);
  expect([exitCode, verdict.ok]).toEqual([1, false]);
  expect(verdict.checks.map(({ name }) => name)).toEqual(NAMES);
  const failed = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
  expect(failed).toEqual(["keys", "docker", "compose file", "registry credential"]);
  expectTold(
    verdict,
    "keys",
    [`${folder}/deployer.pub: `, "private key"],
    "put the public key there, as PEM",
  );
  expectTold(verdict, "docker", [`not reachable at ${NO_DOCKER}`], "start Docker (systemctl start docker)");
  expectTold(
    verdict,
    "compose file",
    [`${project.dir}/password is not there, or not readable by this user`],
    "correct the file, or name another in DOCKER_COMPOSE_FILE",
  );
  expectTold(
    verdict,
    "registry credential",
    ["AccessDeniedException", "is not authorized to perform: ecr:GetAuthorizationToken"],
    "give this instance a role with aws/iam-policy.json",
  );

  const said = await place.check(env);
  expect(said.exitCode).toBe(1);
  for (const name of NAMES)
    expect(said.stdout).toContain(`${failed.includes(name) ? "FAIL" : "pass"}  ${name}: `);
  expect(said.stdout.trimEnd().split("\n").at(-1)).toStartWith("4 failed (");
});

const BROKEN: [what: string, compose: string, reason: string][] = [
  ["no YAML", "services: [\n", "yaml: "],
  ["with a key that Compose does not know", "services:\n  web:\n    imagee: x\n", "imagee"],
  [
    "with an image that is none",
    'services:\n  web:\n    image: "Not An Image"\n',
    '"Not An Image" is not an image',
  ],
  [
    "that needs an env file which is not there",
    "services:\n  web:\n    image: x\n    env_file: absent.env\n",
    "absent.env",
  ],
];

test.each(BROKEN)("a compose file %s fails alone", async (_, compose, reason) => {
  await using place = await setUp();
  place.project.write(compose);
  const { exitCode, verdict } = await place.checkJson();
  expect(exitCode).toBe(1);
  expect(verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["compose file"]);
  expectTold(verdict, "compose file", [reason], `see: docker compose -f ${place.project.file} config`);
});

const WRONG_SETTINGS: [what: string, service: string, problem: string][] = [
  [
    "an unknown key",
    "x-deployer: { strategi: rolling }",
    "x-deployer.strategi: unknown key, meant is perhaps strategy",
  ],
  [
    "a number for a duration",
    "x-deployer: { timeout: 30 }",
    "x-deployer.timeout: needs a unit: write 30s for seconds",
  ],
  [
    "a command that is no list",
    "x-deployer: { before: npm run migrate }",
    "x-deployer.before: must be a list of commands, each a list of words: ",
  ],
  [
    "a word that is a number",
    "x-deployer: { before: [[sleep, 10]] }",
    "x-deployer.before.0.1: is a number to YAML: put it in quotes",
  ],
  [
    "a word that Compose prints like a number",
    'x-deployer: { before: [[tag, "12e4567"]] }',
    "x-deployer.before.0.1: is a number to YAML, even in quotes: write it another way",
  ],
  [
    "a variable that is not set",
    "x-deployer: { watch: $NOT_SET }",
    "x-deployer.watch: must be a duration, as in ",
  ],
  [
    "health where nobody can ask",
    "network_mode: none\n    x-deployer: { health: / }",
    "x-deployer.health: with network_mode: none the container has no address",
  ],
  [
    "a port that nobody asks",
    "x-deployer: { port: 80 }",
    "x-deployer.port: is the port that health is asked on and requests go to, and there is neither health nor route",
  ],
  [
    "rolling, and a host port and a volume",
    'ports: ["8080:80"]\n    volumes: ["data:/data"]\n    x-deployer: { strategy: rolling }',
    "x-deployer.strategy: rolling is not possible: publishes host port 8080; mounts volume data for writing (x-deployer.shared_volumes: true allows it)",
  ],
];

test.each(WRONG_SETTINGS)(
  "a service with %s fails, with its place in the file",
  async (_, service, problem) => {
    await using place = await setUp();
    place.project.write(`services:\n  web:\n    image: x\n    ${service}\nvolumes:\n  data:\n`);
    const { exitCode, verdict } = await place.checkJson();
    expect(exitCode).toBe(1);
    expect(verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["compose file"]);
    expectTold(verdict, "compose file", [`service "web": ${problem}`], "correct the file");
  },
);

test("every problem of every x-deployer is told at once", async () => {
  await using place = await setUp();
  place.project.write(`services:
  web:
    image: x
    x-deployer: { port: "80/tcp", health: { path: /, status: 2xx, headers: { Host: a } }, colour: blue }
  worker:
    image: x
    x-deployer: { watch: 10, images: ["x:v1"] }
x-deployer: { strategy: rolling }
`);
  const { verdict } = await place.checkJson();
  expect(detailOf(verdict, "compose file").split("\n").slice(0, -1)).toEqual([
    "docker-compose.yml:8: x-deployer.strategy: unknown key, there are edge",
    'docker-compose.yml:4: service "web": x-deployer.port: must be a port from 1 to 65535',
    'docker-compose.yml:4: service "web": x-deployer.health.headers.Host: is not set here: write x-deployer.health.host',
    'docker-compose.yml:4: service "web": x-deployer.health.status: must be a status from 200 to 599, or a range of them: 200-399',
    'docker-compose.yml:4: service "web": x-deployer.colour: unknown key, there are strategy, port, health, timeout, watch, before, drain_command, images, shared_volumes, route, drain, hold, hold_max, resend',
    'docker-compose.yml:7: service "worker": x-deployer.watch: needs a unit: write 10s for seconds',
    'docker-compose.yml:7: service "worker": x-deployer.images.0: allows the whole repository: write it without tag and digest',
  ]);
});

test("two services with one route are both told where it stands, and so is what takes the port of the edge", async () => {
  await using place = await setUp();
  place.project.write(`x-deployer:
  edge: { http: "\${HTTP:-8080}", webhook: { host: deploy.example.com, path: /deploy } }
x-routes: &shop
  route:
    - { host: shop.example.com, path: /cart }
services:
  cart:
    image: x
    x-deployer: *shop
  old:
    image: x
    ports: ["8080:80"]
    x-deployer:
      route:
        - host: old.example.com
        - host: Shop.example.com
          path: /cart
`);
  const { exitCode, verdict } = await place.checkJson();
  expect(exitCode).toBe(1);
  expect(detailOf(verdict, "compose file").split("\n").slice(0, -1)).toEqual([
    'docker-compose.yml:4: service "cart": x-deployer.route: shop.example.com/cart is the route of service "old" too: keep one of them',
    'docker-compose.yml:16: service "old": x-deployer.route.1: shop.example.com/cart is the route of service "cart" too: keep one of them',
    'docker-compose.yml:12: service "old": ports: port 8080 of the host is that of the edge (x-deployer.edge.http): remove it, requests come through the edge',
  ]);
});

test("the compose file of the edge's page passes, also as its two lines of difference leave it", async () => {
  await using place = await setUp();
  const [diff = ""] = await codeBlocks("docs/edge.md", "From a published port to the edge", "diff");
  const after = diff.replaceAll(/^-.*\n/gm, "").replaceAll(/^[+ ]/gm, "");
  const [example = "", ...more] = await codeBlocks("docs/edge.md", "A whole example", "yaml");
  expect(more).toEqual([]);
  const image = "    image: 123456789012.dkr.ecr.us-west-2.amazonaws.com/web:v1\n";
  for (const text of [example, after.replace("  web:\n", `  web:\n${image}`)]) {
    place.project.write(text);
    const { verdict } = await place.checkJson();
    expect([verdict.checks.find(({ name }) => name === "compose file")?.ok, text]).toEqual([true, text]);
  }
});

test("what the edge needs is looked at, all of it at once, and nothing is fetched or made", async () => {
  await using place = await setUp();
  const { aws, project, folder } = place;
  using ca = await createTestCa();
  using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { reference, digest } = await publishHaproxy(stage().registry, {
    repository: `check${crypto.randomUUID().slice(0, 8)}/haproxy`,
    tag: "3.0",
  });
  const compose = (port: number, image: string) => `x-deployer:
  edge:
    http: ${port}
    https: ${freePort()}
    certs: ./certs
    acme_challenges: ./acme
    image: ${image}
services:
  web:
    image: ${aws.repository("web")}:v1
    x-deployer: { port: 3000, route: { path: / } }
`;
  const { certificate, key } = await ca.issue("shop.example.com");
  project.writeFile("certs/shop.crt", certificate);
  const missing = `${reference}@sha256:${"0".repeat(64)}`;
  project.write(compose(taken.port, missing));
  const bad = await place.checkJson();
  expect(bad.exitCode).toBe(1);
  expect(bad.verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["edge"]);
  expect(detailOf(bad.verdict, "edge").split("\n")).toEqual([
    `docker-compose.yml:5: ${project.dir}/certs/shop.crt is a certificate without its key: put the key into it, or beside it as a file of its own; see x-deployer.edge.certs`,
    `docker-compose.yml:6: x-deployer.edge.acme_challenges: there is no folder ${project.dir}/acme`,
    expect.stringMatching(
      new RegExp(`^docker-compose.yml:3: x-deployer.edge.http: port ${taken.port} of this host is taken by `),
    ),
    expect.stringMatching(
      new RegExp(`^docker-compose.yml:7: x-deployer.edge.image: ${missing} cannot be used `),
    ),
    "mend what is named; a proxy that runs goes on as it is until then",
  ]);

  project.writeFile("certs/shop.key", key);
  project.writeFile("acme/token", "");
  for (const image of [reference, `${reference}@${digest}`]) {
    const http = freePort();
    project.write(compose(http, image));
    const { verdict } = await place.checkJson();
    expect(detailOf(verdict, "edge")).toMatch(
      new RegExp(`^http on port ${http}, https on port \\d+, in front of web$`),
    );
  }
  expect((await stage().docker.tryDocker("image", "inspect", reference)).exitCode).not.toBe(0);
  expect(existsSync(join(folder, "state/edge"))).toBe(false);
});

test("the compose file of its page passes, and its settings are what they look like", async () => {
  await using place = await setUp();
  const [example = "", ...more] = await codeBlocks("docs/compose-file.md", "Settings of a service", "yaml");
  expect(more).toEqual([]);
  place.project.write(example);
  const { exitCode, verdict } = await place.checkJson();
  expect([exitCode, verdict.ok]).toEqual([0, true]);

  const env = { ...BASE_ENV, HOME: place.folder, DOCKER_HOST: stage().docker.host };
  const compose = createCompose({
    composeFile: place.project.file,
    stateDir: place.folder,
    env,
    run,
    log: SILENT,
  });
  const { services } = await compose.project();
  expect(services.get("web")).toMatchObject({
    rollingObstacles: [],
    settings: {
      strategy: "rolling",
      port: 3000,
      health: {
        path: "/health",
        host: "shop.example",
        headers: { "X-Forwarded-Proto": "https" },
        status: { from: 200, to: 299 },
      },
      timeoutMs: 120_000,
      watchMs: 30_000,
      before: [
        ["npm", "run", "migrate"],
        ["sh", "-c", 'echo "migrated $HOSTNAME" >> /srv/uploads/log'],
      ],
      images: ["123456789012.dkr.ecr.us-west-2.amazonaws.com/web-canary"],
      sharedVolumes: true,
    },
  });
  expect(services.get("worker")?.settings).toMatchObject({
    strategy: "auto",
    health: { path: "/healthz", status: { from: 200, to: 399 } },
    watchMs: 10_000,
  });
});

test("without the docker command everything that needs it says so", async () => {
  await using place = await setUp();
  const { exitCode, verdict } = await place.checkJson({ PATH: place.folder });
  expect(exitCode).toBe(1);
  const failed = verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);
  expect(failed).toEqual(["docker command", "compose plugin", "compose file"]);
  expectTold(verdict, "docker command", ["cannot run docker"], "install the docker command");
  expectTold(verdict, "compose plugin", ["cannot run docker"], "install Compose 2.20 or newer");
});

test("a STATE_DIR that cannot be used fails with what to do", async () => {
  await using place = await setUp();
  const { exitCode, verdict } = await place.checkJson({ STATE_DIR: "/etc/passwd/state" });
  expect(exitCode).toBe(1);
  expect(verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["state"]);
  expectTold(
    verdict,
    "state",
    ["cannot use STATE_DIR /etc/passwd/state: not a folder"],
    "name a folder in STATE_DIR",
  );
});

const HOW_TO_SET =
  'set it in the unit or its settings file ("deployer-service help serve" lists them all), or start the daemon and let it judge its own environment';

test("every problem of the environment is named", async () => {
  await using place = await setUp();
  const env = { DOCKER_COMPOSE_FILE: "", DEBUG_MODE: "maybe", PORT: "http", DOCKER_HOST: "ssh://ann@host" };
  const { exitCode, verdict } = await place.checkJson(env);
  expect([exitCode, verdict.ok]).toEqual([1, false]);
  expect(verdict.checks).toEqual(
    [
      ["DOCKER_COMPOSE_FILE", "DOCKER_COMPOSE_FILE environment variable not set"],
      ["DEBUG_MODE", "DEBUG_MODE environment variable must be set to 'true' or 'false'"],
      ["PORT", "PORT must be a port from 1 to 65535, or 0 for any free one"],
      [
        "DOCKER_HOST",
        'DOCKER_HOST "ssh://ann@host" cannot be used: only unix:///path/to/docker.sock and tcp://host:port are supported',
      ],
    ].map(([name = "", detail = ""]) => ({ name, ok: false, detail: `${detail}\n${HOW_TO_SET}` })),
  );
  const said = await place.check(env);
  expect(said.exitCode).toBe(1);
  for (const { name, detail } of verdict.checks)
    expect(said.stdout).toContain(`FAIL  ${name}: ${detail.replaceAll("\n", "\n      ")}\n`);
  expect(said.stdout).toContain("\n4 failed (");
});

type Place = {
  aws: Aws;
  project: Project;
  /** Holds key, home and state. */
  folder: string;
  check(env?: Record<string, string>): ReturnType<typeof attempt>;
  checkJson(env?: Record<string, string>): Promise<{ exitCode: number; verdict: Verdict }>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Everything the daemon needs, without the daemon. */
async function setUp(): Promise<Place> {
  const stack = new AsyncDisposableStack();
  const aws = stack.use(await startAws());
  const project = stack.use(
    stageProject({
      watch: "as written",
      compose: `services:
  web:
    image: ${aws.repository("web")}:v1
    secrets: [password]
secrets:
  password:
    file: ./password
`,
      files: { password: "open sesame" },
    }),
  );
  const folder = mkdtempSync(join(tmpdir(), "dstest-check-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "deployer.pub"), sharedKeys().publicPem);
  const env = {
    ...BASE_ENV,
    HOME: folder,
    STATE_DIR: join(folder, "state"),
    DEBUG_MODE: "false",
    JWT_PUBLIC_KEY_PATH: join(folder, "deployer.pub"),
    DOCKER_COMPOSE_FILE: project.file,
    DOCKER_HOST: stage().docker.host,
    AWS_REGION: "us-west-2",
    ECR_DOMAIN: aws.registry.address,
    AWS_ENDPOINT_URL_ECR: aws.ecr.url,
    AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  const check = (args: string[], more: Record<string, string> = {}) =>
    attempt([stage().binary, "check", ...args], { env: { ...env, ...more }, cwd: folder });
  return {
    aws,
    project,
    folder,
    check: (more) => check([], more),
    async checkJson(more) {
      const { exitCode, stdout, stderr } = await check(["--json"], more);
      expect(stderr).toBe("");
      return { exitCode, verdict: JSON.parse(stdout) as Verdict };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function detailOf({ checks }: Verdict, name: string): string {
  return checks.find((check) => check.name === name)?.detail ?? "";
}

/** What is wrong on the first lines, what to do about it on the last. */
function expectTold(verdict: Verdict, name: string, wrong: readonly string[], remedy: string): void {
  const lines = detailOf(verdict, name).split("\n");
  for (const part of wrong) expect(lines.slice(0, -1).join("\n")).toContain(part);
  expect(lines.at(-1)).toContain(remedy);
}
