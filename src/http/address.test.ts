import { expect, test } from "bun:test";

import { networkOf, originOf, readProxies } from "./address.ts";

const PROXIES = readProxies(["127.0.0.1", "10.0.0.0/8", "fd00::/8", "::1", "::ffff:198.51.100.0/120"]);

test.each([
  ["an unknown peer is believed nothing", "192.0.2.1", "203.0.113.9", "192.0.2.1"],
  ["a proxy without the header is itself", "127.0.0.1", null, "127.0.0.1"],
  ["a proxy with an empty header is itself", "127.0.0.1", "", "127.0.0.1"],
  ["a proxy speaks for the last address", "127.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["what stands left of it anybody may have written", "127.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"],
  ["through several proxies", "127.0.0.1", "1.1.1.1,203.0.113.9, 10.1.2.3,fd12::1", "203.0.113.9"],
  ["proxies all the way", "127.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0.1"],
  ["an IPv4 peer on a socket for both", "::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"],
  ["an IPv4 peer that is no proxy", "::ffff:192.0.2.1", "203.0.113.9", "192.0.2.1"],
  ["a network that was written as IPv6", "198.51.100.7", "203.0.113.9", "203.0.113.9"],
  ["an address in IPv6", "::1", "2001:db8::7", "2001:db8::7"],
  ["with a port", "127.0.0.1", "203.0.113.9:4711", "203.0.113.9"],
  ["IPv6 with a port", "127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"],
  ["IPv6 in brackets", "127.0.0.1", "[2001:db8::7]", "2001:db8::7"],
  ["mapped", "127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"],
  ["no address", "127.0.0.1", "203.0.113.9, unknown", "127.0.0.1"],
  ["no address behind a proxy", "127.0.0.1", "evil\u001b[2J, 10.0.0.1", "10.0.0.1"],
  ["a script", "127.0.0.1", "<script>", "127.0.0.1"],
  ["a peer that has gone", "", "203.0.113.9", ""],
])("%s", (_, peer, header, origin) => {
  expect(originOf(peer, header, PROXIES)).toBe(origin);
});

test("without proxies the peer is who sends", () => {
  expect(originOf("127.0.0.1", "203.0.113.9", readProxies([]))).toBe("127.0.0.1");
});

test("the whole internet may be trusted by who says so", () => {
  const all = readProxies(["0.0.0.0/0", "::/0"]);
  expect(originOf("192.0.2.1", "203.0.113.9, 198.51.100.1", all)).toBe("203.0.113.9");
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["", ""],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001::9", "2001:db8:1:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1:2:3:4%eth0", "fe80:0:0:0::/64"],
  ["1:2:3:4:5:6:7::", "1:2:3:4::/64"],
])("%j is of the network %j", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
