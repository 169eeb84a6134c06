import { afterAll, beforeAll, expect, test } from "bun:test";

import { freePort } from "../support/free-port.ts";
import { expectVersion, type Life, lives, upByHand } from "../support/observe.ts";
import { type Scene, startScene } from "../support/scene.ts";
import { type Aws, stage } from "../support/stage.ts";

/** How services may be written, with the versions their first deployment brings. */
const FORMS: [service: string, what: string][] = [
  ["plain", "nothing special"],
  ["dependent", "depends_on with all three conditions"],
  ["settings", "an env_file"],
  ["twins", "two replicas"],
  ["extra", "a profile that is not active"],
  ["named", "a named volume"],
  ["anonymous", "an anonymous volume"],
  ["declared", "a VOLUME of its image"],
  ["fixed", "a container_name"],
  ["published", "a published port that is fixed"],
  ["host", "the network of the host"],
  ["beside", "the network of another service"],
  ["secretive", "secrets and configs"],
  ["linked", "links"],
  ["limited", "limits, labels, a healthcheck and two networks"],
];
const REPLICAS: Readonly<Record<string, number>> = { twins: 2 };
const KEEP_DATA = ["named", "anonymous", "declared"];

const cleanup = new AsyncDisposableStack();
let scene: Scene;
let beforeDeployment: Life[];
let afterDeployment: Life[];
let afterUp: Life[];
let afterSecondUp: Life[];
const replies = new Map<string, { status: number; text: string }>();

beforeAll(async () => {
  const name = `fixed-${crypto.randomUUID().slice(0, 8)}`;
  scene = cleanup.use(
    await startScene({
      compose: async (aws) => {
        for (const version of ["v1", "v2"]) {
          await aws.publish("web", version);
          await aws.publish("declared", version, { volumes: ["/data"] });
        }
        return composeFile(aws, name);
      },
      files: { "web.env": 'GREETING=good "morning" $$\n', "secret.txt": "hush", "config.txt": "blue" },
    }),
  );
  const { project, daemon, aws } = scene;
  beforeDeployment = await lives(project);
  for (const { service, id } of beforeDeployment) {
    if (KEEP_DATA.includes(service))
      await stage().docker.docker("exec", id, "sh", "-c", "mkdir -p /data && echo kept > /data/note");
  }
  await Promise.all(
    FORMS.map(async ([service]) => {
      const image = `${aws.repository(service === "declared" ? "declared" : "web")}:v2`;
      replies.set(service, await daemon.deploy({ service, image }));
    }),
  );
  afterDeployment = await lives(project);
  await upByHand(project, daemon);
  afterUp = await lives(project);
  await upByHand(project, daemon, "--profile", "*");
  afterSecondUp = await lives(project);
});

afterAll(() => cleanup.disposeAsync());

test.each(FORMS)("%s, a service with %s, is deployed, and docker compose up restarts nothing", (service) => {
  const reply = replies.get(service);
  expect([reply?.status, reply?.text]).toEqual([200, `deploy request successful for service ${service}\n`]);
  const of = (all: Life[]) => all.filter((life) => life.service === service);
  const deployed = of(afterDeployment);
  expect(deployed.map(({ state }) => state)).toEqual(
    Array.from({ length: REPLICAS[service] ?? 1 }, () => "running"),
  );
  expect(deployed.every(({ image }) => image.includes(":v2@sha256:"))).toBe(true);
  const old = new Set(of(beforeDeployment).map(({ id }) => id));
  expect(deployed.filter(({ id }) => old.has(id))).toEqual([]);
  expect(of(afterUp)).toEqual(deployed);
  expect(of(afterSecondUp)).toEqual(deployed);
});

test("what was not deployed is not touched, by the deployments or by docker compose up", () => {
  const deployed = new Set(FORMS.map(([service]) => service));
  const others = (all: Life[]) => all.filter(({ service }) => !deployed.has(service));
  expect(others(afterDeployment)).toEqual(others(beforeDeployment));
  expect(others(afterUp).filter(({ service }) => service !== "job")).toEqual(
    others(beforeDeployment).filter(({ service }) => service !== "job"),
  );
});

test("all of them serve the new version", async () => {
  for (const [service] of FORMS) {
    if (service === "host" || service === "beside") continue;
    await expectVersion(scene.project, service, "v2");
  }
});

test.each(KEEP_DATA)("the data in the volume of %s is still there", async (service) => {
  const container = afterDeployment.find((life) => life.service === service);
  const { stdout } = await stage().docker.docker("exec", container?.id ?? "", "cat", "/data/note");
  expect(stdout).toBe("kept\n");
});

test("a container has the settings of its env_file, as Compose reads them", async () => {
  const container = afterDeployment.find((life) => life.service === "settings");
  const { stdout } = await stage().docker.docker("exec", container?.id ?? "", "sh", "-c", 'echo "$GREETING"');
  expect(stdout).toBe('good "morning" $\n');
});

test("deployed again one after the other, each leaves the others as they are", async () => {
  const { project, daemon, aws } = scene;
  for (const service of ["dependent", "anonymous", "fixed"]) {
    const before = await lives(project);
    const reply = await daemon.deploy({ service, image: `${aws.repository("web")}:v1` });
    expect([reply.status, reply.text]).toEqual([200, `deploy request successful for service ${service}\n`]);
    const deployed = await lives(project);
    const others = (all: Life[]) => all.filter((life) => life.service !== service);
    expect(others(deployed)).toEqual(others(before));
    await upByHand(project, daemon);
    expect(withoutJobs(await lives(project))).toEqual(withoutJobs(deployed));
  }
});

/** A plain `up` starts jobs again that have ended; that is Compose's own way, pins or not. */
function withoutJobs(all: Life[]): Life[] {
  return all.filter(({ service }) => service !== "job");
}

function composeFile(aws: Aws, containerName: string): string {
  const web = `image: ${aws.repository("web")}:v1`;
  const ports = `ports: ["127.0.0.1::8080"]`;
  return `
services:
  job:
    ${web}
    command: ["/bin/true"]
  database:
    ${web}
    healthcheck: { test: ["CMD", "/bin/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"], interval: 200ms, timeout: 2s, retries: 50 }
  cache:
    ${web}
  plain:
    ${web}
    ${ports}
  dependent:
    ${web}
    ${ports}
    depends_on:
      job: { condition: service_completed_successfully }
      database: { condition: service_healthy }
      cache: { condition: service_started }
  settings:
    ${web}
    ${ports}
    env_file: web.env
  twins:
    ${web}
    ${ports}
    deploy: { replicas: 2 }
  extra:
    ${web}
    ${ports}
    profiles: [tools]
  named:
    ${web}
    ${ports}
    volumes: ["kept:/data"]
  anonymous:
    ${web}
    ${ports}
    volumes: ["/data"]
    depends_on: [cache]
  declared:
    image: ${aws.repository("declared")}:v1
    ${ports}
  fixed:
    ${web}
    ${ports}
    container_name: ${containerName}
    depends_on: [database]
  published:
    ${web}
    ports: ["127.0.0.1:${freePort()}:8080"]
  host:
    ${web}
    network_mode: host
    environment: { APP_PORT: "${freePort()}" }
  beside:
    ${web}
    network_mode: service:cache
    environment: { APP_PORT: "8081" }
  secretive:
    ${web}
    ${ports}
    secrets: [hush]
    configs: [{ source: colour, target: /etc/colour }]
  linked:
    ${web}
    ${ports}
    links: ["cache:memory"]
  limited:
    ${web}
    ${ports}
    mem_limit: 64m
    labels: { owner: tests }
    networks: { default: {}, back: { aliases: [spare] } }
    tmpfs: [/scratch]
    ulimits: { nofile: 1024 }
    healthcheck: { test: ["CMD", "/bin/true"], interval: 1s }
volumes:
  kept: {}
networks:
  back: {}
secrets:
  hush: { file: ./secret.txt }
configs:
  colour: { file: ./config.txt }
`;
}
