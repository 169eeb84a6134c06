import { expect, test } from "bun:test";

import { hostPorts } from "./host-ports.ts";
import { ResolvedService } from "./resolved-service.ts";

test("ports of the host are numbers and ranges, as texts or not; those of UDP and those that Docker picks are none", () => {
  const ports = [
    { published: "80", protocol: "tcp" },
    { published: 81 },
    { published: "8000-8010", host_ip: "127.0.0.1" },
    { published: "443", protocol: "udp" },
    { published: "0" },
    { published: "" },
    { target: 90 },
  ];
  expect(hostPorts(ResolvedService.parse({ ports }))).toEqual([
    { from: 80, to: 80 },
    { from: 81, to: 81 },
    { from: 8_000, to: 8_010 },
  ]);
  expect(hostPorts(ResolvedService.parse({ ports: null }))).toEqual([]);
});
