import { expect, test } from "bun:test";

import { rollingObstacles } from "./obstacles.ts";
import { ResolvedService } from "./resolved-service.ts";

const SHARED = " (x-deployer.shared_volumes: true allows it)";

/** Fields as `docker compose config` prints them. */
function obstacles(fields: unknown, sharedVolumes = false): string[] {
  return rollingObstacles(ResolvedService.parse(fields), { sharedVolumes });
}

test.each<[fields: unknown, obstacle: string]>([
  [
    { ports: [{ mode: "ingress", target: 80, published: "8080", protocol: "tcp" }] },
    "publishes host port 8080",
  ],
  [{ ports: [{ target: 80, published: 8080 }] }, "publishes host port 8080"],
  [
    { ports: [{ target: 80, published: "8000-8010", host_ip: "127.0.0.1" }] },
    "publishes host port 8000-8010",
  ],
  [
    {
      ports: [
        { published: "53", protocol: "tcp" },
        { published: "53", protocol: "udp" },
      ],
    },
    "publishes host port 53",
  ],
  [{ ports: [{ published: "80" }, { target: 90 }, { published: "443" }] }, "publishes host ports 80, 443"],
  [
    { ports: [1, 2, 3, 4, 5, 6, 7].map((port) => ({ published: String(port) })) },
    "publishes host ports 1, 2, 3, 4, 5 and 2 more",
  ],
  [{ container_name: "the-web" }, "has the fixed container_name the-web"],
  [{ networks: { default: { ipv4_address: "10.1.2.3" } } }, "has the fixed address 10.1.2.3"],
  [{ networks: { default: null, back: { ipv6_address: "fd00::7" } } }, "has the fixed address fd00::7"],
  [{ networks: { default: { link_local_ips: ["169.254.8.8"] } } }, "has the fixed address 169.254.8.8"],
  [{ mac_address: "02:42:ac:11:65:43" }, "has the fixed MAC address 02:42:ac:11:65:43"],
  [
    { networks: { default: { mac_address: "02:42:ac:11:65:43" } } },
    "has the fixed MAC address 02:42:ac:11:65:43",
  ],
  [{ network_mode: "host" }, "uses the network of the host"],
  [{ network_mode: "service:vpn" }, "lives in the network of vpn"],
  [{ network_mode: "container:vpn" }, "lives in the network of vpn"],
])("%j: %s, whatever is said of volumes", (fields, obstacle) => {
  expect(obstacles(fields)).toEqual([obstacle]);
  expect(obstacles(fields, true)).toEqual([obstacle]);
});

test.each<[fields: unknown, obstacle: string]>([
  [
    { volumes: [{ type: "volume", source: "data", target: "/data", volume: {} }] },
    "mounts volume data for writing",
  ],
  [
    { volumes: [{ type: "bind", source: "/srv/x", target: "/x", read_only: false }] },
    "mounts /srv/x for writing",
  ],
  [{ volumes: [{ type: "volume", target: "/anon", volume: {} }] }, "has an anonymous volume at /anon"],
  [{ volumes: [{ type: "cluster", source: "data", target: "/data" }] }, "mounts cluster data for writing"],
  [{ volumes_from: ["data"] }, "mounts the volumes of data for writing"],
  [{ volumes_from: ["data:rw"] }, "mounts the volumes of data for writing"],
  [{ volumes_from: ["container:outside:rw"] }, "mounts the volumes of outside for writing"],
])("%j: %s, unless volumes are shared", (fields, obstacle) => {
  expect(obstacles(fields)).toEqual([`${obstacle}${SHARED}`]);
  expect(obstacles(fields, true)).toEqual([]);
});

test.each([
  {},
  { ports: [{ target: 80 }, { target: 81, published: "0" }, { target: 82, published: "" }] },
  { ports: null, networks: null, mac_address: null },
  { networks: { default: null, back: { aliases: ["x"] } } },
  { network_mode: "bridge" },
  { network_mode: "none" },
  { ipc: "host", pid: "host" },
  { ipc: "service:db", pid: "service:db" },
  { expose: ["80"], hostname: "web", links: ["db"] },
  { configs: [{ source: "c" }], secrets: [{ source: "s" }], tmpfs: ["/run"] },
  { devices: [{ source: "/dev/dri", target: "/dev/dri" }] },
  { volumes_from: ["data:ro", "container:outside:ro"] },
  {
    volumes: [
      { type: "tmpfs", target: "/tmp" },
      { type: "volume", source: "data", target: "/data", read_only: true },
      { type: "bind", source: "/srv/x", target: "/x", read_only: true },
      { type: "volume", target: "/anon", read_only: true },
    ],
  },
])("%j is not in the way", (fields) => {
  expect(obstacles(fields)).toEqual([]);
});

test("all that is in the way is named, each mount by itself", () => {
  const fields = {
    container_name: "web",
    ports: [{ published: "80" }],
    volumes: [
      { type: "volume", source: "a", target: "/a" },
      { type: "volume", source: "b", target: "/b" },
    ],
  };
  expect(obstacles(fields)).toEqual([
    "publishes host port 80",
    "has the fixed container_name web",
    `mounts volume a for writing${SHARED}`,
    `mounts volume b for writing${SHARED}`,
  ]);
});
