import { expect, test } from "bun:test";

import { parseProcesses } from "./cli.ts";
import { parseStat } from "./stat.ts";

const HEAD = "# pxname,svname,scur,status,check_status,last_chk,addr,";

test("the servers of ours are read from HAProxy's CSV, others left out", () => {
  const rows = [
    "web,abc.3000,2,UP,L4OK,,10.9.0.2:3000,",
    "web,def.3000.standby,0,no check,,,10.9.0.3:3000,",
    'web,ghi.3000,0,DRAIN,* L4CON,"Connection refused, ""x""",10.9.0.4:3000,',
    "web,BACKEND,0,UP,,,,",
  ];
  expect(parseStat(`${HEAD}\n${rows.join("\n")}\n\n`)).toEqual([
    {
      name: "abc.3000",
      container: "abc",
      port: 3000,
      isStandby: false,
      address: "10.9.0.2",
      status: "UP",
      sessions: 2,
      check: "L4OK",
      checkInfo: "",
    },
    {
      name: "def.3000.standby",
      container: "def",
      port: 3000,
      isStandby: true,
      address: "10.9.0.3",
      status: "no check",
      sessions: 0,
      check: "",
      checkInfo: "",
    },
    {
      name: "ghi.3000",
      container: "ghi",
      port: 3000,
      isStandby: false,
      address: "10.9.0.4",
      status: "DRAIN",
      sessions: 0,
      check: "* L4CON",
      checkInfo: 'Connection refused, "x"',
    },
  ]);
});

test("a worker that does not know the service, or has ended, has no servers of it; anything else is an error", () => {
  expect(parseStat("No such proxy.\n\n")).toEqual([]);
  expect(parseStat("Can't find the target PID matching the prefix '@!99'\n")).toEqual([]);
  expect(parseStat("")).toEqual([]);
  expect(() => parseStat("Permission denied\n")).toThrow("makes no sense: Permission denied");
});

test("workers that were replaced are told from the one that accepts", () => {
  const text = `#<PID>          <type>          <reloads>       <uptime>        <version>
16102           master          2 [failed: 0]   0d00h00m01s     3.0.11
# workers
16904           worker          0               0d00h00m00s     3.0.11
# old workers
16626           worker          1               0d00h00m00s     3.0.11
16163           worker          2               0d00h00m00s     3.0.11
# programs
`;
  expect(parseProcesses(text)).toEqual([
    { pid: "16904", isOld: false },
    { pid: "16626", isOld: true },
    { pid: "16163", isOld: true },
  ]);
});
