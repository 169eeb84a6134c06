import { describe, expect, test } from "bun:test";

import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { hideFromPeers, showToPeers } from "./names.ts";
import type { Attachment } from "./engine.ts";
import type { Candidate } from "./store.ts";

function network(name: string, aliases: string[], settings: Attachment["settings"] = {}): Attachment {
  return { network: name, networkId: `id of ${name}`, aliases, address: "", settings };
}

const FRONT = network("front", ["web", "www"], { DriverOpts: { mtu: "1400" } });
const BACK = network("back", ["web"]);

/** `web-1` serves in two networks, and `web-2`, created and not started, is there by the same names. */
function shop(): { world: World; candidate: Candidate } {
  const world = fakeWorld([service("web")]);
  world.add("web", { networks: structuredClone([FRONT, BACK]) });
  const { id } = world.add("web", { state: "created", networks: structuredClone([FRONT, BACK]) });
  return { world, candidate: { id, networks: [FRONT, BACK] } };
}

async function networksOf(world: World, id: string) {
  const container = await world.engine.container(id);
  return container?.networks.map(({ network, aliases, settings }) => ({ network, aliases, settings }));
}

describe("a container that is hidden", () => {
  test("is in all its networks, with all else the file says of it there, and found by no name", async () => {
    const { world, candidate } = shop();
    await hideFromPeers(candidate, world);
    await world.engine.start(candidate.id);
    expect(await networksOf(world, candidate.id)).toEqual([
      { network: "front", aliases: [], settings: FRONT.settings },
      { network: "back", aliases: [], settings: {} },
    ]);
    expect([world.reachable("web"), world.reachable("www")]).toEqual([["web-1"], ["web-1"]]);
  });

  test("may be hidden again", async () => {
    const { world, candidate } = shop();
    await hideFromPeers(candidate, world);
    await hideFromPeers(candidate, world);
    expect((await networksOf(world, candidate.id))?.map(({ aliases }) => aliases)).toEqual([[], []]);
  });

  test("after a kill in the middle, on no network at all, is on all of them when it is done again", async () => {
    const { world, candidate } = shop();
    await world.killedAt("connect web-2 to back", (ports) => hideFromPeers(candidate, ports));
    expect((await networksOf(world, candidate.id))?.map(({ network }) => network)).toEqual(["front"]);
    await hideFromPeers(candidate, world);
    expect((await networksOf(world, candidate.id))?.map(({ network }) => network)).toEqual(["front", "back"]);
  });

  test("is shown by all its names again", async () => {
    const { world, candidate } = shop();
    await hideFromPeers(candidate, world);
    await world.engine.start(candidate.id);
    await showToPeers(candidate, world);
    expect(await networksOf(world, candidate.id)).toEqual([
      { network: "front", aliases: ["web", "www"], settings: FRONT.settings },
      { network: "back", aliases: ["web"], settings: {} },
    ]);
    expect(world.reachable("www")).toEqual(["web-1", "web-2"]);
  });
});

describe("a container that is shown", () => {
  test("and has its names already keeps its connections: nothing is done", async () => {
    const { world, candidate } = shop();
    await showToPeers(candidate, world);
    expect(world.calls).toEqual([]);
  });

  test.each(["disconnect web-2 from back", "connect web-2 to back as web"])(
    "after a kill at %s gets what it lacks when it is done again, and nothing else",
    async (call) => {
      const { world, candidate } = shop();
      await hideFromPeers(candidate, world);
      await world.engine.start(candidate.id);
      await world.killedAt(call, (ports) => showToPeers(candidate, ports));
      await showToPeers(candidate, world);
      expect(world.calls).toEqual(["disconnect web-2 from back", "connect web-2 to back as web"]);
      expect(world.reachable("web")).toEqual(["web-1", "web-2"]);
    },
  );

  test("and whose name a network refuses is an error", async () => {
    const { world, candidate } = shop();
    await hideFromPeers(candidate, world);
    world.fail("connect web-2 to front as web www", "network front not found");
    await expect(showToPeers(candidate, world)).rejects.toMatchObject({ message: "network front not found" });
  });
});

test("one without networks of its own is left alone", async () => {
  const { world } = shop();
  for (const act of [hideFromPeers, showToPeers]) await act({ id: "web-2", networks: [] }, world);
  expect(world.calls).toEqual([]);
});
