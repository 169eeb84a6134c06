import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeClock } from "../../test/fakes/clock.ts";
import { fakeLog } from "../../test/fakes/log.ts";
import { createTestCa, type TestCa } from "../../test/support/test-ca.ts";
import { type CertificateFolder, createCertificateFolder } from "./certificate-folder.ts";

const DAY_MS = 24 * 60 * 60_000;
const BROKEN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

let root: string;
let source: string;
let ca: TestCa;
let log: ReturnType<typeof fakeLog>;
let clock: ReturnType<typeof fakeClock>;
let folder: CertificateFolder;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "certificate-folder-"));
  source = join(root, "source");
  mkdirSync(source);
  ca = await createTestCa();
  log = fakeLog();
  clock = fakeClock();
  folder = createCertificateFolder({ folder: join(root, "edge"), clock, log });
});
afterEach(() => {
  ca[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

async function issue(name: string, days = 365): Promise<string> {
  const { certificate, key } = await ca.issue(name, days);
  return certificate + key;
}

const put = (name: string, text: string): void => writeFileSync(join(source, name), text);
const inUse = (id: string): Record<string, string> => {
  const path = join(root, "edge/certs", id);
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name), "utf8")]));
};
const said = (): string[] =>
  log.lines.map(
    ({ message, fields }) => `${message}: ${String(fields["path"] ?? fields["problem"] ?? fields["folder"])}`,
  );

test("what cannot be used is as it was, and that alone: a renewed one beside it is not undone by it", async () => {
  const [site, other, renewed] = [
    await issue("a.example"),
    await issue("b.example"),
    await issue("b.example"),
  ];
  put("site", "not for us");
  put("site.pem", site);
  put("site.pem.crt", other);
  const first = folder.take(source, undefined, false);
  expect(inUse(first)).toEqual({ "site.pem.pem": site, "site.pem.crt.pem": other });
  put("site.pem", BROKEN);
  put("site.pem.crt", renewed);
  const second = folder.take(source, first, true);
  expect(inUse(second)).toEqual({ "site.pem.pem": site, "site.pem.crt.pem": renewed });
});

test("of a folder in it all stay, while one of its files is damaged", async () => {
  const [web, api] = [await issue("a.example"), await issue("b.example")];
  mkdirSync(join(source, "live"));
  put("live/web.pem", web);
  put("live.pem", api);
  const first = folder.take(source, undefined, false);
  expect(inUse(first)).toEqual({ "live+web.pem.pem": web, "live.pem.pem": api });
  put("live/web.pem", BROKEN);
  expect(folder.take(source, first, true)).toBe(first);
});

test("an end that is near is said once a day, also that of an old one which stands in for a damaged one", async () => {
  put("soon.pem", await issue("a.example", 7));
  put("late.pem", await issue("b.example", 60));
  const id = folder.take(source, undefined, false);
  folder.take(source, id, true);
  const SOON = `a certificate of the edge expires soon: ${join(source, "soon.pem")}`;
  expect(said()).toEqual([SOON]);
  await clock.sleep(DAY_MS);
  folder.take(source, id, true);
  expect(said()).toEqual([SOON, SOON]);
  put("soon.pem", BROKEN);
  await clock.sleep(DAY_MS);
  folder.take(source, id, true);
  expect(said().slice(2)).toEqual([
    `a new certificate of the edge cannot be used; the old one stays: ${join(source, "soon.pem")}: its certificate is damaged`,
    "a certificate of the edge expires soon: soon.pem, as it was",
  ]);
  await clock.sleep(10 * DAY_MS);
  folder.take(source, id, true);
  expect(said().at(-1)).toBe("a certificate of the edge has expired: soon.pem, as it was");
});

test.each([
  ["gone", () => rmSync(source, { recursive: true })],
  ["empty", () => rmSync(join(source, "a.pem"))],
])("a folder that is %s keeps the proxy as it is, but is no folder to change to", async (_, harm) => {
  put("a.pem", await issue("a.example"));
  const id = folder.take(source, undefined, false);
  harm();
  expect(folder.take(source, id, true)).toBe(id);
  expect(said()).toEqual([`the certificates of the edge are gone; those it has stay: ${source}`]);
  expect(() => folder.take(source, id, false)).toThrow("see x-deployer.edge.certs");
  expect(() => folder.take(source, undefined, true)).toThrow("see x-deployer.edge.certs");
});
