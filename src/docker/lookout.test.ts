import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";

const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

test("containers of a network have the address they were given, also those that do not run", async () => {
  const place = (fields: unknown) => ({ NetworkSettings: { Networks: { "shop-edge": fields } } });
  await using fake = fakeEngine(() =>
    Response.json([
      { Id: "c1", ...place({ IPAddress: "10.0.0.2", IPAMConfig: { IPv4Address: "10.0.0.2" } }) },
      { Id: "c2", ...place({ IPAddress: "", IPAMConfig: { IPv4Address: "10.0.0.3" } }) },
      { Id: "c3", ...place({ IPAddress: "10.0.0.56", IPAMConfig: {} }) },
      { Id: "c4", ...place({ IPAddress: "", IPAMConfig: null }) },
      { Id: "c5", NetworkSettings: { Networks: {} } },
    ]),
  );
  const engine = createEngine({ host: fake.host, clock });
  expect((await engine.members("shop-edge")).map((each) => [each.container, each.address])).toEqual([
    ["c1", "10.0.0.2"],
    ["c2", "10.0.0.3"],
    ["c3", "10.0.0.56"],
    ["c4", ""],
    ["c5", ""],
  ]);
  expect(fake.requests.at(-1)).toBe('GET /v1.41/containers/json?all=true&filters={"network":["shop-edge"]}');
});

test("who publishes a port is told by project and service, or by the container alone", async () => {
  const labels = { "com.docker.compose.project": "shop", "com.docker.compose.service": "web" };
  await using fake = fakeEngine(() =>
    Response.json([
      { Id: "c1", Names: ["/shop-web-1"], Labels: labels, Ports: [{ PublicPort: 80, Type: "tcp" }] },
      { Id: "c2", Names: ["/by-hand"], Labels: {}, Ports: [{ PublicPort: 80, Type: "tcp" }] },
      // Docker's filter takes the port inside as well.
      { Id: "c3", Names: ["/inside"], Labels: {}, Ports: [{ PrivatePort: 80, Type: "tcp" }] },
      { Id: "c4", Names: ["/udp"], Labels: {}, Ports: [{ PublicPort: 80, Type: "udp" }] },
    ]),
  );
  const engine = createEngine({ host: fake.host, clock });
  expect(await engine.publishers(80)).toEqual([
    { container: "shop-web-1", project: "shop", service: "web" },
    { container: "by-hand", project: "", service: "" },
  ]);
  expect(fake.requests.at(-1)).toBe('GET /v1.41/containers/json?all=false&filters={"publish":["80/tcp"]}');
});
