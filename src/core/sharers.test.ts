import { expect, test } from "bun:test";

import { never } from "../../test/fakes/clock.ts";
import { running } from "../../test/fakes/deployment.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld } from "../../test/fakes/world.ts";
import { deploy } from "./deploy.ts";

function vpnAndProxy() {
  const world = fakeWorld([service("vpn"), service("proxy", { sharesWith: ["vpn"] }), service("other")]);
  for (const name of ["vpn", "proxy", "other"]) world.add(name);
  return world;
}

test("a service in the namespace of the deployed one is made anew after it, nothing else is", async () => {
  const world = vpnAndProxy();
  expect(await deploy(running("vpn", { image: "vpn:v2" }), world, never())).toMatchObject({
    status: "succeeded",
  });
  expect(world.ps().toSorted()).toEqual([
    "other-1 running other:v1",
    "proxy-2 running proxy:v1",
    "vpn-2 running vpn:v2",
  ]);
});

test("it is made anew, too, after the way back: the old container has a new namespace since its restart", async () => {
  const world = vpnAndProxy();
  world.lives.set("vpn:v2", { exits: { after: 100, code: 1 } });
  expect(await deploy(running("vpn", { image: "vpn:v2" }), world, never())).toMatchObject({
    status: "rolled_back",
  });
  expect(world.ps().toSorted()).toEqual([
    "other-1 running other:v1",
    "proxy-2 running proxy:v1",
    "vpn-1 running vpn:v1",
  ]);
});

test("one that does not run is left alone", async () => {
  const world = vpnAndProxy();
  world.stopByHand("proxy-1");
  await deploy(running("vpn", { image: "vpn:v2" }), world, never());
  expect(world.ps()).toContain("proxy-1 exited proxy:v1");
});

test("one that cannot be made anew is said, in the log and in the record, and does not undo the deployment", async () => {
  const world = vpnAndProxy();
  world.fail("recreate proxy", "no space left on device");
  const failure =
    '"proxy", which shares with "vpn", could not be recreated and needs a person: no space left on device';
  expect(await deploy(running("vpn", { image: "vpn:v2" }), world, never())).toMatchObject({
    status: "succeeded",
    reason: failure,
  });
  expect(world.log.lines.find(({ message }) => message === failure)?.level).toBe("error");
});

test("one whose configuration was edited meanwhile is made anew as it was: nobody has deployed the edit", async () => {
  const world = vpnAndProxy();
  await deploy(running("proxy", { image: "proxy:v2" }), world, never());
  world.file.set("proxy", service("proxy", { sharesWith: ["vpn"], configHash: "edited" }));
  await deploy(running("vpn", { id: "d2", image: "vpn:v2" }), world, never());
  const proxy = (await world.engine.containers("shop")).find((container) => container.service === "proxy");
  expect(proxy?.composeHash).not.toContain("edited");
});
