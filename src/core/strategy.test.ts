import { describe, expect, test } from "bun:test";

import { service as fakeService, settings as fakeSettings } from "../../test/fakes/service.ts";
import type { Project, Service } from "./compose.ts";
import { refusedSettings } from "./refused-settings.ts";
import type { Settings } from "./settings.ts";
import { chooseStrategy } from "./strategy.ts";

const NOW = { hasImageVolumes: false, runs: true };

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
  return { name: "shop", services: new Map(services.map((service) => [service.name, service])) };
}

function service(name: string, fields: Partial<Service> = {}, said: Partial<Settings> = {}): Service {
  return fakeService(name, { settings: fakeSettings(said), ...fields });
}
