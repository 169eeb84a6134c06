import { expect, test } from "bun:test";

import type { Publisher } from "../core/engine.ts";
import { assertFree } from "./taken-ports.ts";

/** 0.0.0.0:80 listens, 127.0.0.1:3306 listens, 10.0.0.5:8080 is a connection. */
const IPV4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20671 1 0 100 0 0 10 0
   1: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20672 1 0 100 0 0 10 0
   2: 0500000A:1F90 0600000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 20673 1 0 100 0 0 10 0
`;
/** [::]:443 listens. */
const IPV6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
`;

function check(key: "http" | "https", port: number, publishers: Publisher[] = []): Promise<void> {
  return assertFree([{ key, port }], { publishers: async () => publishers }, () => [IPV4, IPV6, ""]);
}

test.each([8080, 8443, 0x50 * 256])("port %d is free", async (port) => {
  await check("http", port);
});

test("a port that a service publishes is named with it, and with the key to change", async () => {
  const publisher = { container: "shop-web-1", project: "shop", service: "web" };
  await expect(check("http", 80, [publisher])).rejects.toMatchObject({
    code: "edge",
    message:
      'x-deployer.edge.http: port 80 of this host is taken by service "web" of project "shop", which publishes it: take it out of its ports and recreate it, or name another',
  });
});

test("a container that Compose did not make is named by itself", async () => {
  await expect(check("https", 443, [{ container: "by-hand", project: "", service: "" }])).rejects.toThrow(
    "x-deployer.edge.https: port 443 of this host is taken by container by-hand, which publishes it",
  );
});

test("for another program it is said how to find it", async () => {
  await expect(check("http", 3306)).rejects.toThrow(
    "port 3306 of this host is taken by another program (ss -ltnp 'sport = :3306' names it)",
  );
});
