import { expect, test } from "bun:test";

import { localTime } from "./local-time.ts";

const TIMES: [zone: string, utc: string, local: string][] = [
  ["America/Chicago", "2026-03-08T07:59:59.999Z", "2026-03-08T01:59:59.999-06:00"],
  ["America/Chicago", "2026-03-08T08:00:00.000Z", "2026-03-08T03:00:00.000-05:00"],
  ["America/Chicago", "2026-11-01T06:59:59.999Z", "2026-11-01T01:59:59.999-05:00"],
  ["America/Chicago", "2026-11-01T07:00:00.000Z", "2026-11-01T01:00:00.000-06:00"],
  ["America/Chicago", "2027-01-01T05:59:59.999Z", "2026-12-31T23:59:59.999-06:00"],
  ["UTC", "2026-11-23T12:00:00.123Z", "2026-11-23T12:00:00.123+00:00"],
  ["Europe/London", "2026-11-23T12:00:00.123Z", "2026-11-23T12:00:00.123+00:00"],
  ["Asia/Kathmandu", "2026-11-23T12:00:00.000Z", "2026-11-23T17:45:00.000+05:45"],
  ["Australia/Lord_Howe", "2026-10-03T15:30:00.000Z", "2026-10-04T02:30:00.000+11:00"],
];
for (const [zone, utc, local] of TIMES) {
  test(`${utc} is ${local} in ${zone}`, () => {
    expect(localTime(zone)(Date.parse(utc))).toBe(local);
  });
}

test("one renderer follows the clock over both changes of a year", () => {
  const render = localTime("America/Chicago");
  for (const [zone, utc, local] of TIMES) {
    if (zone === "America/Chicago") expect(render(Date.parse(utc))).toBe(local);
  }
});
