import { expect, test } from "bun:test";

import type { Frontage } from "../core/edge.ts";
import type { Route } from "../core/settings.ts";
import { identity, render, type Surroundings } from "./config.ts";
import { SCRIPTS } from "./scripts.ts";
import type { PlacedDirection } from "./state.ts";

const DIRECTION: PlacedDirection = {
  serving: [{ container: "new", port: 3000, address: "10.9.0.3" }],
  standby: [{ container: "old", port: 3000, address: "10.9.0.2" }],
};
const CHECK =
  "check inter 1s fastinter 100ms downinter 100ms rise 1 fall 2 observe layer4 error-limit 3 on-error mark-down";

function surroundings(
  routes: Record<string, Route[]>,
  settings: Partial<Frontage["settings"]> = {},
  resendAll: readonly string[] = [],
): Surroundings {
  const none = { https: undefined, certs: undefined, challenges: undefined, image: undefined };
  return {
    frontage: {
      project: "shop",
      settings: { http: 80, ...none, webhook: undefined, ...settings },
      routes: new Map(Object.entries(routes)),
      resendAll: new Set(resendAll),
    },
    certificates: settings.https === undefined ? undefined : "certs/0123456789abcdef",
    daemon: { address: "127.0.0.1:8080", speaksTls: false },
    owner: { uid: 1000, gid: 1001 },
    ipv6: false,
  };
}

/** The lines of one section, without those of the others. */
function section(config: string, head: string): string {
  return config.split("\n\n").find((part) => part.startsWith(`${head}\n`)) ?? "";
}

test("a service has its containers, one that serves checked, one that stands by as a backup", () => {
  const config = render(
    surroundings({ web: [{ host: undefined, path: "/" }] }),
    new Map([["web", DIRECTION]]),
  );
  expect(section(config, "backend web")).toBe(`backend web
  http-request lua.hold if { be_name -m str -f virt@holds }
  http-request return status 503 hdr Retry-After 5 content-type text/plain string "this service is being replaced\\n" if { var(txn.hold) -m str refused }
  http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }
  server new.3000 10.9.0.3:3000 ${CHECK}
  server old.3000.standby 10.9.0.2:3000 backup`);
});

test("requests of a service that tells repeated ones apart may be sent again whatever their method, once they are whole", () => {
  const routes = { web: [{ host: undefined, path: "/" }], api: [{ host: undefined, path: "/api" }] };
  const plain = surroundings(routes);
  const told = surroundings(routes, {}, ["web"]);
  const ofWeb = (from: Surroundings) => section(render(from, new Map()), "backend web").split("\n");
  const without = "  http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }";
  const withIt = "  http-request wait-for-body time 10m if { req.hdr(content-length) -m found }";
  expect(ofWeb(plain)).toContain(without);
  expect(ofWeb(told)).toEqual(ofWeb(plain).map((line) => (line === without ? withIt : line)));
  expect(section(render(told, new Map()), "backend api")).toEqual(
    section(render(plain, new Map()), "backend api"),
  );
  expect(identity(told)).not.toBe(identity(plain));
});

test("with https, http is redirected but for challenges, and each has its own listeners for IPv4 and IPv6", () => {
  const settings = {
    https: 8443,
    certs: "/certs",
    challenges: "/acme",
    webhook: { host: "h.example", path: "/d" },
  };
  const config = render(
    { ...surroundings({ web: [{ host: "example.com", path: "/a/" }] }, settings), ipv6: true },
    new Map(),
  );
  const origin = (
    scheme: string,
  ) => `  http-request del-header '^(forwarded|x[-_]real[-_]ip|x[-_]forwarded([-_].*)?)$' -m reg
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto ${scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(host)] if { req.hdr(host) -m found }`;
  const arrival = `  http-request set-var(txn.host) req.hdr(host),host_only,rtrim(.),lower
  http-request use-service lua.challenge if { path -m beg /.well-known/acme-challenge/ }`;
  const choice = `  use_backend web if { var(txn.host) -m str example.com } { path -m beg /a/ }
  use_backend deployer:webhook if { var(txn.host) -m str h.example } { path -m str /d }
  use_backend deployer:webhook if { var(txn.host) -m str h.example } { path -m beg /d/ }
  default_backend deployer:nowhere`;
  expect(section(config, "frontend deployer:http")).toBe(`frontend deployer:http
  bind 0.0.0.0:80
  bind [::]:80 v6only
${arrival}
  http-request deny deny_status 400 if !{ path -m beg /.well-known/acme-challenge/ } !{ req.hdr(host) -m found }
  http-request redirect code 308 location https://%[req.hdr(host),host_only]:8443%[pathq] if !{ path -m beg /.well-known/acme-challenge/ }
${origin("http")}
${choice}`);
  expect(section(config, "frontend deployer:https")).toBe(`frontend deployer:https
  bind 0.0.0.0:8443 ssl crt /edge/certs/0123456789abcdef alpn h2,http/1.1
  bind [::]:8443 v6only ssl crt /edge/certs/0123456789abcdef alpn h2,http/1.1
${arrival}
${origin("https")}
${choice}`);
  expect(section(config, "backend deployer:webhook")).toEndWith("  server daemon 127.0.0.1:8080");
  expect(section(config, "global")).toContain(`  lua-load /edge/${SCRIPTS.challenge.file}`);
});

test("a daemon that speaks HTTPS is spoken to so", () => {
  const daemon = { address: "127.0.0.1:8080", speaksTls: true };
  const webhook = { host: "deploy.example.com", path: "/" };
  const config = render({ ...surroundings({}, { webhook }), daemon }, new Map());
  expect(section(config, "backend deployer:webhook")).toEndWith(
    "  server daemon 127.0.0.1:8080 ssl verify none",
  );
});

test("the admin socket is for the daemon's user alone", () => {
  const config = render(surroundings({}), new Map());
  expect(config).toContain(
    'stats socket "${RUN_DIR}/admin.sock" mode 600 uid 1000 gid 1001 level admin expose-fd listeners',
  );
});

test("its identity changes with all but the servers", () => {
  const web = surroundings({ web: [{ host: undefined, path: "/" }] });
  const id = identity(web);
  expect(render(web, new Map())).toContain(`  description "${id}"`);
  expect(render(web, new Map([["web", DIRECTION]]))).toContain(`  description "${id}"`);
  expect(identity(surroundings({ web: [{ host: undefined, path: "/a" }] }))).not.toBe(id);
  expect(identity({ ...web, owner: { uid: 0, gid: 0 } })).not.toBe(id);
});

test("what would be syntax is never written", () => {
  const hostile = [
    "/a b",
    '/"',
    "/a\n  use_backend x",
    "/a}",
    "/$HOME",
    "/a#",
    "/\\",
    "/é",
    "no-slash",
    "/a\t",
    "/'",
  ];
  for (const path of hostile)
    expect(() => render(surroundings({ web: [{ host: undefined, path }] }), new Map())).toThrow(
      "cannot be written into the edge's configuration",
    );
  for (const host of ["a b", "a\n", "${X}", "*", "a*b", "", "A.example", "a}"])
    expect(() => render(surroundings({ web: [{ host, path: "/" }] }), new Map())).toThrow(
      "cannot be written into the edge's configuration",
    );
  const route = { host: undefined, path: "/" };
  for (const service of ["a b", "deployer:nowhere", "a\nb", ""])
    expect(() => render(surroundings({ [service]: [route] }), new Map())).toThrow("cannot be written");
  const server = { container: "c", port: 1, address: "10.0.0.1" };
  for (const wrong of [
    { container: "a b" },
    { address: "1.1.1.1 backup" },
    { port: 1.5 },
    { container: "a.b" },
  ]) {
    const directions = new Map([["web", { serving: [{ ...server, ...wrong }], standby: [] }]]);
    expect(() => render(surroundings({ web: [route] }), directions)).toThrow("cannot be written");
  }
  for (const address of ["host", "a b:80", "h:80 backup"])
    expect(() =>
      render({ ...surroundings({}, { webhook: route }), daemon: { address, speaksTls: false } }, new Map()),
    ).toThrow("cannot be written");
});
