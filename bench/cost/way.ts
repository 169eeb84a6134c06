import { freePort } from "../../test/support/free-port.ts";
import type { LoadOptions } from "../../test/support/load-result.ts";
import type { Project } from "../../test/support/project.ts";
import { HOST, startRoutedScene, type RoutedScene } from "../../test/support/routed-scene.ts";
import { stage } from "../../test/support/stage.ts";
import { createTestCa } from "../../test/support/test-ca.ts";

/** One way for a request to reach the web server. */
export type Way = {
  name: string;
  /** For wrk. */
  url: string;
  /** For the load. */
  target: Omit<LoadOptions, "perSecond">;
};

const APP_PORT = 8080;
export const WAYS = {
  direct: "the container's address",
  published: "its published port",
  edge: "the edge",
  https: "the edge, HTTPS",
} as const;

/** One container that is reached in three ways, the first of which is the measure of the others. */
export async function startPlain(): Promise<{ scene: RoutedScene; ways: Way[] }> {
  const port = freePort();
  const ports = `    ports: ["127.0.0.1:${port}:${APP_PORT}"]\n`;
  const scene = await startRoutedScene({ services: (image) => service(image, ports) });
  const address = await addressOf(scene.project);
  const ways = [
    { name: WAYS.direct, hostname: address, port: APP_PORT },
    { name: WAYS.published, hostname: "127.0.0.1", port },
    { name: WAYS.edge, hostname: "127.0.0.1", port: scene.port },
  ].map(({ name, ...target }) => ({
    name,
    url: `http://${target.hostname}:${target.port}/`,
    target: { ...target, host: HOST, service: "web" },
  }));
  return { scene, ways };
}

/** The same by HTTPS: an edge of its own, for one that has HTTPS sends plain HTTP there. */
export async function startHttps(): Promise<{ scene: RoutedScene; ways: Way[] }> {
  const port = freePort();
  using ca = await createTestCa();
  const { certificate, key } = await ca.issue(HOST);
  const scene = await startRoutedScene({
    services: (image) => service(image, ""),
    edge: `https: ${port}, certs: ./certs`,
    files: { "certs/shop.pem": certificate + key },
  });
  const target = { port, host: HOST, service: "web", ca: ca.certificate };
  return { scene, ways: [{ name: WAYS.https, url: `https://127.0.0.1:${port}/`, target }] };
}

function service(image: string, ports: string): string {
  return `  web:
    image: ${image}
${ports}    x-deployer: { port: ${APP_PORT}, health: /health, route: { host: ${HOST} } }
`;
}

async function addressOf(project: Project): Promise<string> {
  const container = (await project.containers()).find(({ service }) => service === "web");
  const format = `{{(index .NetworkSettings.Networks "${project.name}_default").IPAddress}}`;
  return (await stage().docker.docker("inspect", "--format", format, container?.id ?? "")).stdout.trim();
}
