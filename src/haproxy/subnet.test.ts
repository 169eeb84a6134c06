import { expect, test } from "bun:test";

import { isOurs, freeAddress, parseSubnet, type Subnet } from "./subnet.ts";

function subnet(text: string): Subnet {
  const parsed = parseSubnet(text);
  if (parsed === undefined) throw new Error(`no subnet: ${text}`);
  return parsed;
}

test.each([
  ["10.200.0.64/26", "10.200.0.65", "10.200.0.120/29", "10.200.0.66", "10.200.0.119", 54],
  ["172.18.0.0/16", "172.18.0.1", "172.18.255.248/29", "172.18.0.2", "172.18.255.247", 65_526],
  ["192.168.96.0/20", "192.168.96.1", "192.168.111.248/29", "192.168.96.2", "192.168.111.247", 4_086],
  ["10.0.0.16/28", "10.0.0.17", "10.0.0.28/30", "10.0.0.18", "10.0.0.27", 10],
  ["10.0.0.8/29", "10.0.0.9", "10.0.0.14/31", "10.0.0.10", "10.0.0.13", 4],
])(
  "of %s a few at the end are for strangers, the rest is ours",
  (text, gateway, strangers, first, last, size) => {
    const parsed = subnet(text);
    expect(parsed).toMatchObject({ text, gateway, strangers });
    expect(freeAddress(parsed, new Set(), 0)?.address).toBe(first);
    expect(freeAddress(parsed, new Set(), parsed.last - parsed.first)?.address).toBe(last);
    expect(parsed.last - parsed.first + 1).toBe(size);
    expect([gateway, first, last, strangers.split("/")[0] ?? ""].map((each) => isOurs(parsed, each))).toEqual(
      [false, true, true, false],
    );
  },
);

test.each([
  "10.0.0.0/30",
  "10.0.0.0/32",
  "10.0.0.0/0",
  "10.0.0.0/33",
  "10.0.0.256/24",
  "fd00::/64",
  "10.0.0.0",
  "",
])("%p is no subnet to take addresses from", (text) => expect(parseSubnet(text)).toBeUndefined());

test("addresses are given in turn, the last one freed comes last", () => {
  const small = subnet("10.0.0.8/29");
  const all = ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13"];
  expect(freeAddress(small, new Set(), 1)).toEqual({ address: "10.0.0.11", next: 2 });
  expect(freeAddress(small, new Set(["10.0.0.11"]), 1)).toEqual({ address: "10.0.0.12", next: 3 });
  expect(freeAddress(small, new Set(["10.0.0.10"]), 4)).toEqual({ address: "10.0.0.11", next: 2 });
  expect(freeAddress(small, new Set(all.slice(0, 3)), 4)).toEqual({ address: "10.0.0.13", next: 4 });
  expect(freeAddress(small, new Set(all), 2)).toBeUndefined();
});
