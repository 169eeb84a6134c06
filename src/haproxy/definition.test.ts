import { expect, test } from "bun:test";

import { checkFile, definitionOf, generationFile, hashOf } from "./definition.ts";
import type { ProxySpec } from "./proxy.ts";

const IMAGE = { asked: "haproxy:3.0", pinned: "haproxy:3.0@sha256:aaa" };
const OWNER = { uid: 990, gid: 991 };
const SPEC: ProxySpec = {
  project: "shop",
  image: "haproxy:3.0",
  folder: "/var/lib/a$b/edge",
  challenges: undefined,
  ports: [{ key: "http", port: 80 }],
};
const DEFINITION = definitionOf(SPEC, IMAGE, "/var/lib/a$b/edge/run", OWNER);

test("a proxy starts with what it needs, and takes the sockets of the one before it", () => {
  const file: unknown = JSON.parse(generationFile(DEFINITION, OWNER, 3, 2));
  expect(file).toEqual({
    services: {
      edge: {
        image: "haproxy:3.0@sha256:aaa",
        entrypoint: ["haproxy", "-W", "-db"],
        command: [
          "-S",
          "/run/edge/3/master.sock,mode,600,uid,990,gid,991",
          "-x",
          "/run/edge/2/admin.sock",
          "-f",
          "/edge/haproxy.cfg",
        ],
        environment: { RUN_DIR: "/run/edge/3" },
        network_mode: "host",
        userns_mode: "host",
        user: "0:0",
        cap_drop: ["ALL"],
        cap_add: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"],
        security_opt: ["no-new-privileges:true"],
        read_only: true,
        restart: "unless-stopped",
        stop_signal: "SIGTERM",
        logging: { driver: "json-file", options: { "max-size": "10m", "max-file": "3" } },
        volumes: [
          {
            type: "bind",
            // Compose takes one of two.
            source: "/var/lib/a$$b/edge",
            target: "/edge",
            read_only: true,
            bind: { create_host_path: false },
          },
          {
            type: "bind",
            source: "/var/lib/a$$b/edge/run",
            target: "/run/edge",
            read_only: false,
            bind: { create_host_path: false },
          },
        ],
        labels: {
          "deployer-service.edge": "shop",
          "deployer-service.edge.image": "haproxy:3.0",
          "deployer-service.edge.definition": hashOf(DEFINITION),
          "deployer-service.edge.generation": "3",
        },
      },
    },
  });
});

test("the first one takes nothing from anybody", () => {
  expect(generationFile(DEFINITION, OWNER, 1, undefined)).not.toContain('"-x"');
});

test.each<[string, Partial<ProxySpec>, boolean]>([
  ["other ports", { ports: [{ key: "https", port: 443 }] }, true],
  ["a folder for challenges", { challenges: "/srv/acme" }, false],
  ["another folder", { folder: "/srv/edge" }, false],
])("%s: the proxy that runs stays is %p", (_, change, stays) => {
  const other = definitionOf({ ...SPEC, ...change }, IMAGE, "/var/lib/a$b/edge/run", OWNER);
  expect(hashOf(other) === hashOf(DEFINITION)).toBe(stays);
});

test("another image, or another user for the sockets, is another proxy", () => {
  const image = { ...IMAGE, pinned: "haproxy:3.0@sha256:bbb" };
  const run = "/var/lib/a$b/edge/run";
  expect(hashOf(definitionOf(SPEC, image, run, OWNER))).not.toBe(hashOf(DEFINITION));
  expect(hashOf(definitionOf(SPEC, IMAGE, run, { uid: 0, gid: 0 }))).not.toBe(hashOf(DEFINITION));
});

test("a check has no network, and writes nothing", () => {
  const file = JSON.parse(checkFile({ ...SPEC, challenges: "/srv/acme" }, IMAGE, "candidate.cfg")) as {
    services: { edge: Record<string, unknown> };
  };
  expect(file.services.edge).toMatchObject({
    command: ["-c", "-f", "/edge/candidate.cfg"],
    network_mode: "none",
    cap_add: ["DAC_OVERRIDE"],
    volumes: [
      { target: "/edge", read_only: true },
      { target: "/challenges", read_only: true },
    ],
  });
});
