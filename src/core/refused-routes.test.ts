import { expect, test } from "bun:test";

import { edge, project, service as fakeService, settings } from "../../test/fakes/service.ts";
import type { Project, Service } from "./compose.ts";
import type { EdgeSettings } from "./edge-settings.ts";
import { nowhere, sayProblem } from "./problem.ts";
import { refusedRoutes } from "./refused-routes.ts";
import { refusedSettings } from "./refused-settings.ts";
import type { Route } from "./settings.ts";

const SHOP: Route = { host: "shop.example.com", path: "/" };
const CART: Route = { host: "shop.example.com", path: "/cart" };
const ANY: Route = { host: undefined, path: "/cart" };

test("what can be is not refused", () => {
  const services = [
    service("web", [SHOP, ANY]),
    service("cart", [CART, { host: "*.shop.example.com", path: "/" }]),
    service("proxy", [], { hostPorts: [{ from: 8_080, to: 8_080 }] }),
    service("job", []),
    service("worker", [], { dependsOn: [endOf("job")] }),
  ];
  expect(refusals(services, { http: 80, https: 443, challenges: "/acme" })).toEqual([]);
  expect(refusedRoutes(project([service("web", [], { hostPorts: [{ from: 80, to: 80 }] })]))).toEqual([]);
});

test("one route of two services is named at both, at its place in the list", () => {
  expect(refusals([service("web", [SHOP]), service("old", [ANY, SHOP]), service("api", [CART])])).toEqual([
    'service "web": x-deployer.route: shop.example.com/ is the route of service "old" too: keep one of them',
    'service "old": x-deployer.route.1: shop.example.com/ is the route of service "web" too: keep one of them',
  ]);
  expect(refusals([service("web", [ANY]), service("old", [ANY])])[0]).toContain(
    "/cart of any host is the route of",
  );
});

test("the route of the webhook is nobody else's", () => {
  expect(refusals([service("web", [SHOP])], { http: 80, webhook: SHOP })).toEqual([
    'service "web": x-deployer.route: shop.example.com/ is the route of x-deployer.edge.webhook too: keep one of them',
  ]);
});

test("a route below the challenges of ACME would never be followed, where they are served", () => {
  const below = { host: undefined, path: "/.well-known/acme-challenge/x" };
  expect(refusals([service("web", [below])], { http: 80, challenges: "/acme" })).toEqual([
    'service "web": x-deployer.route: what is there comes from the folder of x-deployer.edge.acme_challenges',
  ]);
  expect(refusals([service("web", [below])])).toEqual([]);
});

test("without an edge no route can be followed", () => {
  expect(said(project([service("web", [SHOP, CART])]))).toEqual(
    ["0", "1"].map(
      (index) =>
        `service "web": x-deployer.route.${index}: there is no edge to follow it: add x-deployer: { edge: { http: 80 } } at the top of the file`,
    ),
  );
});

test("a service that others wait for to end gets no requests", () => {
  const services = [service("job", [SHOP]), service("web", [], { dependsOn: [endOf("job")] })];
  expect(refusals(services)).toEqual([
    'service "job": x-deployer.route: others wait for this service to end, and then nobody answers: remove it',
  ]);
});

test("who publishes a port of the edge must change, with a route or without", () => {
  const services = [
    service("web", [SHOP], { hostPorts: [{ from: 80, to: 80 }] }),
    service("proxy", [], { hostPorts: [{ from: 440, to: 450 }] }),
  ];
  expect(refusals(services, { http: 80, https: 443 })).toEqual([
    'service "web": ports: port 80 of the host is that of the edge (x-deployer.edge.http): remove it, requests come through the edge',
    'service "proxy": ports: port 443 of the host is that of the edge (x-deployer.edge.https): publish another one',
  ]);
});

test("they are told with what else of the settings is refused, each with its line", () => {
  const web = service("web", [SHOP], { rollingObstacles: ["uses the network of the host"] });
  const rolling = { ...web, settings: { ...web.settings, strategy: "rolling" as const } };
  const lines = (keys: readonly string[]): string => `file.yml:${keys.length}: `;
  expect(refusedSettings(project([rolling], { whereIs: lines }))).toEqual([
    'file.yml:4: service "web": x-deployer.strategy: rolling is not possible: uses the network of the host',
    expect.stringMatching(/^file\.yml:4: service "web": x-deployer\.route: there is no edge/),
  ]);
});

function refusals(services: Service[], fields: Partial<EdgeSettings> = { http: 80 }): string[] {
  return said(project(services, { edge: edge(fields) }));
}

function said(project: Project): string[] {
  return refusedRoutes(project).map((problem) => sayProblem(problem, nowhere));
}

function service(name: string, routes: Route[], fields: Partial<Service> = {}): Service {
  return fakeService(name, { settings: settings({ routes }), ...fields });
}

function endOf(service: string): Service["dependsOn"][number] {
  return { service, condition: "service_completed_successfully", required: true };
}
