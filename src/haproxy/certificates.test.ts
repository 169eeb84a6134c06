import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { certificateProblems } from "./certificate-problems.ts";
import { fingerprint, readCertificates } from "./certificates.ts";

/** By `openssl req -x509`: two pairs, for a.example and b.example, valid for a hundred years. */
const CERT_A = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIUFGqzCfy/8steUCxi8QZ1GyHtGuYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYS5leGFtcGxlMCAXDTI2MTEyNTIzMTcxOFoYDzIxMjYxMTAx
MjMxNzE4WjAUMRIwEAYDVQQDDAlhLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR+krgopKKraHXNFD+wlWLFSK4uwb2FMnDJFYGVScE6nTpTb6524/2y
h42CWaexJxOPdIZWGuz20r05KWV0Kh+uo00wSzAdBgNVHQ4EFgQU3mxIVHbp1d8Y
OeS8h9G69o+vD6IwHwYDVR0jBBgwFoAU3mxIVHbp1d8YOeS8h9G69o+vD6IwCQYD
VR0TBAIwADAKBggqhkjOPQQDAgNHADBEAiBSbehi7l5cQhcsjcqfBFMJA/XVEYi/
pZKAiG0xWNLqjAIgTuWFMBugSmGPc/cuKPJ/iViDGQzivit8uoJnJ/4PE08=
-----END CERTIFICATE-----
`;
const KEY_A = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgGBE43Yj7EcxYPiGY
aXBnOibbbMr3qbZu65dRnpijn1yhRANCAAR+krgopKKraHXNFD+wlWLFSK4uwb2F
MnDJFYGVScE6nTpTb6524/2yh42CWaexJxOPdIZWGuz20r05KWV0Kh+u
-----END PRIVATE KEY-----
`;
const CERT_B = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR+gAwIBAgIUZlhXb2wADKT6czd+5MssXu/AR+EwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYi5leGFtcGxlMCAXDTI2MTEyNTIzMTcxOFoYDzIxMjYxMTAx
MjMxNzE4WjAUMRIwEAYDVQQDDAliLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATjUoaP20Nqnk3braTD30BhbOF6Hbqz9u79k0W8QKO/q2eT00R40OYk
JwWcNQyGNQEz5afnDHwBMpjg5fYdQj2Mo00wSzAdBgNVHQ4EFgQUhveeQbpnHkCr
5hlg1ukyr1SFa6UwHwYDVR0jBBgwFoAUhveeQbpnHkCr5hlg1ukyr1SFa6UwCQYD
VR0TBAIwADAKBggqhkjOPQQDAgNHADBEAiBlrZDoDa5yQZLXBIGEEVNO7DO4vPq0
uPEZQ3cwLdx3YQIgc/JXF5fvN9d9e3rPXOChNCnvfGMIWqnMVt75JaldR0Q=
-----END CERTIFICATE-----
`;
const KEY_B = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9OipIBH++zEq8jNO
mLDul5e5+uZ9GbJplri8TmkPA9OhRANCAATjUoaP20Nqnk3braTD30BhbOF6Hbqz
9u79k0W8QKO/q2eT00R40OYkJwWcNQyGNQEz5afnDHwBMpjg5fYdQj2M
-----END PRIVATE KEY-----
`;
const CA = `-----BEGIN CERTIFICATE-----
MIIBcDCCARegAwIBAgIUSdDOXrbF0C8nGp3wKuKSJ8UJU1swCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTI1MjMxNzE4WhgPMjEyNjExMDEyMzE3MTha
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEyj7NF4eg
RZnJjupwdcdq/b7bCM5gGSyGbZVcmu68+mKcf13CtlZjbeC+a/kb2LA+rsGxvgQ3
6QqnACIy3t26/KNTMFEwHQYDVR0OBBYEFJBqyAe+VY0DQoDQUbpPFLtngUITMB8G
A1UdIwQYMBaAFJBqyAe+VY0DQoDQUbpPFLtngUITMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDRwAwRAIgcZ6kmUVKEPyXI3S+3VQmXOLiGcntqzTKksq8NF/s
vu0CIHZqtA95fYtCDZ47OmWZuwsohqTjDNuUXrc81VSPNksz
-----END CERTIFICATE-----
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "edge-certificates-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (name: string, text: string) => writeFileSync(join(folder, name), text);
const read = () => {
  const { bundles, problems } = readCertificates(folder);
  return { names: bundles.map(({ name }) => name), problems: [...problems.values()] };
};

test("certificate and key in one file, in two of one name, or of any names, belong together by what they are", () => {
  put("a.pem", CERT_A + KEY_A);
  put("b.crt", CERT_B);
  put("private.key", KEY_B);
  put("README", "not for us");
  put(".hidden.pem", "not for us");
  expect(read()).toEqual({ names: ["a.pem", "b.crt"], problems: [] });
  const [a] = readCertificates(folder).bundles;
  expect(a?.pem).toBe(CERT_A + KEY_A);
});

test("files that differ in their extension alone, or in where they are, are certificates of their own", () => {
  put("a.pem", CERT_A + KEY_A);
  put("a.crt", CERT_B);
  put("a.key", KEY_B);
  mkdirSync(join(folder, "x"));
  put("x/a.pem", CERT_A + KEY_A);
  expect(read()).toEqual({ names: ["a.crt", "a.pem", "x+a.pem"], problems: [] });
});

test("a folder as certbot leaves it, links and all, is one certificate with its chain", () => {
  mkdirSync(join(folder, "archive"));
  put("archive/.privkey1", KEY_A);
  mkdirSync(join(folder, "a.example"));
  symlinkSync("../archive/.privkey1", join(folder, "a.example/privkey.pem"));
  put("a.example/cert.pem", CERT_A);
  put("a.example/chain.pem", CA);
  put("a.example/fullchain.pem", CERT_A + CA);
  expect(read()).toEqual({ names: ["a.example+fullchain.pem"], problems: [] });
  expect(readCertificates(folder).bundles[0]?.pem).toBe(CERT_A + CA + KEY_A);
});

test("what is missing or damaged is said with its file", () => {
  put("alone.crt", CERT_A);
  expect(read().problems).toEqual([
    `${join(folder, "alone.crt")} is a certificate without its key: put the key into it, or beside it as a file of its own`,
  ]);
  put("alone.key", KEY_B);
  expect(read().names).toEqual([]);
  put("alone.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
  expect(read().problems).toContain(
    `${join(folder, "alone.key")}: its key has a passphrase: the edge needs one without`,
  );
  put(
    "alone.key",
    "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
  );
  expect(read().problems).toContain(
    `${join(folder, "alone.key")}: its key has a passphrase: the edge needs one without`,
  );
  rmSync(join(folder, "alone.crt"));
  put("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  put("empty.pem", "");
  expect(read().problems).toEqual(
    expect.arrayContaining([
      `${join(folder, "damaged.pem")}: its certificate is damaged`,
      `${join(folder, "empty.pem")}: holds neither a certificate nor a key in PEM form`,
    ]) as never,
  );
  expect(() => readCertificates(join(folder, "nowhere"))).toThrow("see x-deployer.edge.certs");
});

test("a change of a file is seen", () => {
  put("a.pem", CERT_A + KEY_A);
  const before = fingerprint(folder);
  expect(fingerprint(folder)).toBe(before);
  put("a.pem", CERT_B + KEY_B + "\n");
  expect(fingerprint(folder)).not.toBe(before);
});

test("all that is wrong is named at once, and when what can be used has ended", () => {
  const [now, later] = [Date.UTC(2026, 11, 1), Date.UTC(2127, 0, 1)];
  const see = "; see x-deployer.edge.certs";
  expect(certificateProblems(folder, now)).toEqual([`there is no certificate in ${folder}${see}`]);
  expect(certificateProblems(join(folder, "none"), now)).toEqual([expect.stringContaining("cannot be read")]);
  writeFileSync(join(folder, "a.pem"), CERT_A + KEY_A);
  expect(certificateProblems(folder, now)).toEqual([]);
  writeFileSync(join(folder, "b.pem"), CERT_B);
  expect(certificateProblems(folder, later)).toEqual([
    expect.stringMatching(/b\.pem is a certificate without its key: .*see x-deployer\.edge\.certs$/),
    `${join(folder, "a.pem")} has expired on 2126-11-01T23:17:18.000Z${see}`,
  ]);
});
