import { expect, test } from "bun:test";

import { fakeWorld, never, running, service } from "../../test/fakes.ts";
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

test("one that cannot be made anew is said loudly, and does not undo the deployment", async () => {
  const world = vpnAndProxy();
  world.fail("recreate proxy", "no space left on device");
  expect(await deploy(running("vpn", { image: "vpn:v2" }), world, never())).toMatchObject({
    status: "succeeded",
  });
  expect(world.log.lines).toContainEqual({
    level: "error",
    message: "a service that shares with the deployed one could not be recreated: a person is needed",
    fields: { service: "proxy", shares_with: "vpn", reason: "no space left on device" },
  });
});
