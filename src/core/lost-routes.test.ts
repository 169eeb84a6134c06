import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { deployIn, resumeIn } from "../../test/fakes/deploying.ts";
import { running } from "../../test/fakes/deployment.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { deploy } from "./deploy.ts";
import { DeployerError } from "./errors.ts";
import type { Ports } from "./ports.ts";
import type { Route } from "./settings.ts";

const SHOP: Route = { host: "shop.example.com", path: "/" };
const API: Route = { host: "shop.example.com", path: "/api" };
const BLOG: Route = { host: "blog.example.com", path: "/" };
const CRASHES = { exits: { after: 500, code: 1 } };

/** `web` and `blog` run behind the edge. */
async function world(): Promise<World> {
  const here = fakeWorld([routed("web", [SHOP, API]), routed("blog", [BLOG])], EDGE);
  here.add("web");
  here.add("blog");
  await bringUp(new Set(), here, never());
  return here;
}

function routed(name: string, routes: Route[]) {
  return service(name, {
    settings: settings({ strategy: "recreate", port: 3000, routes, before: [["migrate"]] }),
  });
}

function dropEdge(here: World): void {
  for (const name of ["web", "blog"]) here.file.set(name, routed(name, []));
  const project = here.compose.project.bind(here.compose);
  here.compose.project = async () => ({ ...(await project()), edge: undefined });
}

/** What the edge has, and where it sends the requests of `web`. */
function front(here: World) {
  const { routes } = here.edge.frontage() ?? {};
  const servers = here.edge.direction("web").serving.map(({ container }) => container);
  return { web: routes?.get("web"), blog: routes?.get("blog"), servers };
}

const DROPPED: [what: string, drop: (here: World) => void, said: string][] = [
  [
    "all of its routes",
    (here) => here.file.set("web", routed("web", [])),
    "web (shop.example.com/, shop.example.com/api)",
  ],
  ["one of its routes", (here) => here.file.set("web", routed("web", [SHOP])), "web (shop.example.com/api)"],
  [
    "a route of another service",
    (here) => here.file.set("blog", routed("blog", [])),
    "blog (blog.example.com/)",
  ],
  [
    "the whole edge",
    dropEdge,
    "the edge and web (shop.example.com/, shop.example.com/api) and blog (blog.example.com/)",
  ],
];

test.each(DROPPED)(
  "a new version that fails, and drops %s: they are back with what ran before",
  async (_, drop, said) => {
    const here = await world();
    const before = front(here);
    drop(here);
    here.lives.set("web:v2", CRASHES);
    const outcome = await deployIn(here, "web", { image: "web:v2" });
    expect(outcome).toMatchObject({ status: "rolled_back" });
    expect(outcome.reason).toEndWith(
      `the compose file has no more, and this deployment has brought back: ${said}`,
    );
    expect({ ...front(here), web: front(here).web?.toSorted() }).toEqual({
      ...before,
      web: before.web?.toSorted(),
    });
    expect(here.ps()).toContain("web-1 running web:v1");
  },
);

test.each(DROPPED)(
  "one that fails before its rollout, and drops %s, leaves the edge as it was",
  async (_, drop, said) => {
    const here = await world();
    const before = front(here);
    drop(here);
    here.fail("run web migrate");
    const outcome = await deployIn(here, "web", { image: "web:v2" });
    expect(outcome).toMatchObject({ status: "failed", reason: expect.stringContaining(said) });
    expect({ ...front(here), web: front(here).web?.toSorted() }).toEqual({
      ...before,
      web: before.web?.toSorted(),
    });
  },
);

test.each(DROPPED)("one that succeeds, and drops %s: they are gone", async (_, drop) => {
  const here = await world();
  const before = front(here);
  drop(here);
  expect(await deployIn(here, "web", { image: "web:v2" })).toMatchObject({ status: "succeeded", reason: "" });
  expect(front(here)).not.toMatchObject({ web: before.web, blog: before.blog });
});

test.each(DROPPED)(
  "a daemon killed on the way of one that fails, and drops %s, brings them back",
  async (_, drop) => {
    for (const place of [
      "run web migrate",
      "create web 2",
      "stop web-1",
      "start web-2",
      "stop web-2",
      "start web-1",
    ]) {
      const here = await world();
      const before = front(here);
      drop(here);
      here.lives.set("web:v2", CRASHES);
      const deployment = running("web", { image: "web:v2" });
      here.store.insert(deployment);
      await here.killedAt(place, (ports: Ports) => deploy(deployment, ports, never()));
      expect([place, (await resumeIn(here)).status]).toEqual([place, "rolled_back"]);
      expect([place, front(here).servers, front(here).blog]).toEqual([place, before.servers, before.blog]);
      expect(front(here).web).toHaveLength(2);
    }
  },
);

test("what another service has got meanwhile stays with that one", async () => {
  const here = await world();
  here.file.set("web", routed("web", [SHOP]));
  here.file.set("blog", routed("blog", [BLOG, API]));
  here.lives.set("web:v2", CRASHES);
  expect((await deployIn(here, "web", { image: "web:v2" })).status).toBe("rolled_back");
  expect(front(here)).toMatchObject({ web: [SHOP], blog: [BLOG, API] });
});

test("an edge that cannot come back needs a person, and that is said", async () => {
  const here = await world();
  here.file.set("web", routed("web", []));
  here.lives.set("web:v2", CRASHES);
  here.before("apply blog web", () => {
    throw new DeployerError("edge", "port 80 is taken");
  });
  const outcome = await deployIn(here, "web", { image: "web:v2" });
  expect(outcome.status).toBe("rollback_failed");
  expect(outcome.reason).toContain("a person is needed: port 80 is taken");
  expect(here.ps()).toContain("web-1 running web:v1");
});
