import { describe, expect, test } from "bun:test";

import { edge, project, service as fakeService, settings as fakeSettings } from "../../test/fakes/service.ts";
import type { Project, Service } from "./compose.ts";
import { refusedSettings } from "./refused-settings.ts";
import type { Settings } from "./settings.ts";
import { chooseStrategy } from "./strategy.ts";

const NOW = { hasImageVolumes: false, runs: true, bringsEdge: false };

test("without a word about it a service is recreated, whether or not it could be rolled", () => {
  for (const rollingObstacles of [[], ["publishes host port 80"]]) {
    const web = service("web", { rollingObstacles });
    expect(chooseStrategy(web, projectOf(web), NOW)).toEqual({ strategy: "recreate", reason: "the default" });
  }
});

test("a service that is to be recreated is, and one that is to be rolled and can be is rolled", () => {
  const recreated = service("web", {}, { strategy: "recreate" });
  expect(chooseStrategy(recreated, projectOf(recreated), NOW)).toEqual({
    strategy: "recreate",
    reason: "x-deployer.strategy is recreate",
  });
  const rolled = service("web", {}, { strategy: "rolling" });
  expect(chooseStrategy(rolled, projectOf(rolled), NOW)).toEqual({
    strategy: "rolling",
    reason: "x-deployer.strategy is rolling",
  });
});

test("where nothing runs there is nothing to roll", () => {
  const web = service("web", {}, { strategy: "rolling" });
  expect(chooseStrategy(web, projectOf(web), { ...NOW, runs: false })).toEqual({
    strategy: "recreate",
    reason: "nothing runs that would have to go on serving",
  });
});

describe("behind the edge", () => {
  const ROUTES = [{ host: "shop.example.com", path: "/" }];
  const EDGE = { edge: edge({ http: 80 }) };
  const chosen = (fields: Partial<Service>, said: Partial<Settings> = {}, now: Partial<typeof NOW> = {}) => {
    const web = service("web", fields, { routes: ROUTES, ...said });
    return chooseStrategy(web, project([web, service("job", { sharesWith: ["db"] })], EDGE), {
      ...NOW,
      ...now,
    });
  };

  test("a service whose old container has the port of the edge is recreated, also where it is to roll", () => {
    for (const strategy of ["auto", "rolling"] as const)
      expect(chosen({}, { strategy }, { bringsEdge: true })).toMatchObject({
        strategy: "recreate",
        reason: expect.stringContaining("this once"),
      });
  });

  test("a service is rolled without a word about it", () => {
    expect(chosen({})).toEqual({
      strategy: "rolling",
      reason: "it is behind the edge, and two can run side by side",
    });
    expect(chosen({}, {}, { runs: false }).reason).toBe("nothing runs that would have to go on serving");
    expect(chosen({}, { strategy: "recreate" }).reason).toBe("x-deployer.strategy is recreate");
  });

  test("a service of which there cannot be two is recreated, for the first thing that is in the way", () => {
    const rollingObstacles = ["publishes host port 8080", "has the fixed container_name web"];
    expect(chosen({ rollingObstacles })).toEqual({
      strategy: "recreate",
      reason: "behind the edge, but publishes host port 8080: requests are held meanwhile",
    });
    expect(chosen({}, {}, { hasImageVolumes: true }).reason).toStartWith(
      "behind the edge, but its image declares a volume",
    );
    expect(chosen({ rollingObstacles }, { holdMs: 0 }).reason).toEndWith(": requests are refused meanwhile");
  });

  test("routes that cannot be stop the deployment of their service, with their line, and of no other", () => {
    const web = service("web", {}, { routes: ROUTES });
    const api = service("api", {}, { routes: ROUTES });
    const db = service("db");
    const whereIs = (keys: readonly string[]): string => `${keys.join("/")}: `;
    const all = project([web, api, db], { ...EDGE, whereIs });
    expect(() => chooseStrategy(web, all, NOW)).toThrow(
      expect.objectContaining({
        code: "not_deployable",
        message:
          'services/web/x-deployer/route: service "web": x-deployer.route: shop.example.com/ is the route of service "api" too: keep one of them',
      }),
    );
    expect(chooseStrategy(db, all, NOW).reason).toBe("the default");
  });

  test("what a version of before the edge said is judged as it was, and has no line", () => {
    const whereIs = (): string => "docker-compose.yml:1: ";
    const before = service("web", { hostPorts: [{ from: 80, to: 80 }] });
    const now = project([service("web", {}, { routes: ROUTES })], { ...EDGE, whereIs });
    expect(() => chooseStrategy(before, now, NOW)).toThrow(
      /^service "web": ports: port 80 of the host is that of the edge/,
    );
  });
});

describe("rolling is refused", () => {
  test("with everything that is in the way", () => {
    const web = service(
      "web",
      { rollingObstacles: ["publishes host port 80", "has the fixed container_name web"] },
      { strategy: "rolling" },
    );
    const beside = service("beside", { sharesWith: ["db", "web"] });
    const choose = (): unknown =>
      chooseStrategy(web, projectOf(web, beside), { ...NOW, hasImageVolumes: true });
    expect(choose).toThrow(
      expect.objectContaining({
        code: "not_deployable",
        message:
          'service "web": x-deployer.strategy: rolling is not possible: publishes host port 80; ' +
          "has the fixed container_name web; its image declares a volume (x-deployer.shared_volumes: true allows it); " +
          '"beside" lives in its namespaces or on its volumes',
      }),
    );
  });

  test("also where nothing runs yet: the next deployment would be", () => {
    const web = service("web", { rollingObstacles: ["publishes host port 80"] }, { strategy: "rolling" });
    expect(() => chooseStrategy(web, projectOf(web), { ...NOW, runs: false })).toThrow("host port 80");
  });

  test("for services that hang on it", () => {
    const web = service("web", {}, { strategy: "rolling" });
    const project = projectOf(web, service("beside", { sharesWith: ["web"] }), service("db"));
    expect(() => chooseStrategy(web, project, NOW)).toThrow('"beside"');
  });

  test("for volumes of the image, unless they may be shared", () => {
    const now = { ...NOW, hasImageVolumes: true };
    const web = service("web", {}, { strategy: "rolling" });
    expect(() => chooseStrategy(web, projectOf(web), now)).toThrow("its image declares a volume");
    const sharing = service("web", {}, { strategy: "rolling", sharedVolumes: true });
    expect(chooseStrategy(sharing, projectOf(sharing), now).strategy).toBe("rolling");
  });
});

test("a project names each service that asks for rolling and cannot have it, and no other", () => {
  const project = projectOf(
    service("a", { rollingObstacles: ["uses the network of the host"] }, { strategy: "rolling" }),
    service("b", { rollingObstacles: ["publishes host port 80"] }),
    service("c", {}, { strategy: "rolling" }),
    service("d", { rollingObstacles: ["publishes host port 81", "two"] }, { strategy: "rolling" }),
  );
  expect(refusedSettings(project)).toEqual([
    'service "a": x-deployer.strategy: rolling is not possible: uses the network of the host',
    'service "d": x-deployer.strategy: rolling is not possible: publishes host port 81; two',
  ]);
});

function projectOf(...services: Service[]): Project {
  return project(services);
}

function service(name: string, fields: Partial<Service> = {}, said: Partial<Settings> = {}): Service {
  return fakeService(name, { settings: fakeSettings(said), ...fields });
}
