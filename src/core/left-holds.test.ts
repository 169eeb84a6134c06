import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { EDGE } from "../../test/fakes/edge.ts";
import { service, settings } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { bringUp } from "./bring-up.ts";
import { DeployerError } from "./errors.ts";
import { keepUp } from "./keep-up.ts";
import { releaseLeftHolds } from "./left-holds.ts";

const LIMITS = { ms: 30_000, max: 100 };

/** `web` and `blog` are behind the edge, and their requests held. */
async function world(): Promise<World> {
  const routed = (name: string) =>
    service(name, {
      settings: settings({ port: 3000, routes: [{ host: `${name}.example.com`, path: "/" }] }),
    });
  const here = fakeWorld([routed("web"), routed("blog")], EDGE);
  here.add("web");
  here.add("blog");
  await bringUp(new Set(), here, never());
  for (const name of ["web", "blog"]) await here.edge.hold(name, LIMITS);
  here.calls.length = 0;
  return here;
}

test("requests that were left waiting go on, but for those of a deployment that is taken up", async () => {
  const here = await world();
  here.store.insert(running("web", { image: "web:v2" }));
  await releaseLeftHolds(here);
  expect(here.calls).toEqual(["release blog"]);
});

test("they do at the start, without Docker and with a broken compose file", async () => {
  const here = await world();
  here.dockerStops();
  here.compose.project = () => Promise.reject(new DeployerError("compose_file", "broken"));
  const stop = new AbortController();
  void here.clock.sleep(500).then(() => stop.abort());
  await keepUp("boot 1", () => undefined, here, stop.signal);
  expect(here.calls.filter((call) => call.startsWith("release"))).toEqual(["release web", "release blog"]);
});

test("a proxy that cannot be asked for one is asked for the others", async () => {
  const here = await world();
  here.fail("release web");
  await releaseLeftHolds(here);
  expect(here.calls).toEqual(["release web", "release blog"]);
});
