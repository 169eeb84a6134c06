import type { Frontage } from "../core/edge.ts";
import type { Route } from "../core/settings.ts";
import { PROXY_FOLDER } from "./proxy.ts";
import { conditionsOf, inOrder, type RoutedTo } from "./routes.ts";
import { serviceWord, word } from "./word.ts";

/** Backends of ours: no service has a colon in its name. */
export const WEBHOOK = "deployer:webhook";
export const NOWHERE = "deployer:nowhere";

const IS_CHALLENGE = "{ path -m beg /.well-known/acme-challenge/ }";

/** The sections that accept connections. */
export function frontends(
  frontage: Frontage,
  { certificates, ipv6 }: { certificates: string | undefined; ipv6: boolean },
): string[][] {
  const { http, https } = frontage.settings;
  const sections: string[][] = [];
  if (http !== undefined)
    sections.push([
      "frontend deployer:http",
      ...binds(http, ipv6, ""),
      ...arrive(frontage),
      ...(https === undefined ? [] : redirectTo(https)),
      ...tellOrigin("http"),
      ...choose(frontage),
    ]);
  if (https !== undefined) {
    const folder = `${PROXY_FOLDER}/${word(certificates ?? "", /^[a-z0-9/]+$/)}`;
    sections.push([
      "frontend deployer:https",
      ...binds(https, ipv6, ` ssl crt ${folder} alpn h2,http/1.1`),
      ...arrive(frontage),
      ...tellOrigin("https"),
      ...choose(frontage),
    ]);
  }
  return sections;
}

/** One for each family: a visitor over IPv4 is not to be seen as ::ffff:192.0.2.1. */
function binds(port: number, ipv6: boolean, options: string): string[] {
  const number = word(String(port), /^\d+$/);
  return [`  bind 0.0.0.0:${number}${options}`, ...(ipv6 ? [`  bind [::]:${number} v6only${options}`] : [])];
}

function arrive({ settings }: Frontage): string[] {
  return [
    "  http-request set-var(txn.host) req.hdr(host),host_only,rtrim(.),lower",
    ...(settings.challenges === undefined
      ? []
      : [`  http-request use-service lua.challenge if ${IS_CHALLENGE}`]),
  ];
}

/** 308 keeps method and body. Whoever proves that a name is his is asked over plain HTTP (RFC 8555, section 8.3). */
function redirectTo(https: number): string[] {
  const port = https === 443 ? "" : `:${https}`;
  return [
    `  http-request deny deny_status 400 if !${IS_CHALLENGE} !{ req.hdr(host) -m found }`,
    `  http-request redirect code 308 location https://%[req.hdr(host),host_only]${port}%[pathq] if !${IS_CHALLENGE}`,
  ];
}

/** What a visitor claims of his origin is not passed on, in none of the spellings that applications take for it. */
function tellOrigin(scheme: "http" | "https"): string[] {
  return [
    "  http-request del-header '^(forwarded|x[-_]real[-_]ip|x[-_]forwarded([-_].*)?)$' -m reg",
    "  http-request set-header X-Forwarded-For %[src]",
    `  http-request set-header X-Forwarded-Proto ${scheme}`,
    "  http-request set-header X-Forwarded-Host %[req.hdr(host)] if { req.hdr(host) -m found }",
  ];
}

function choose({ routes, settings }: Frontage): string[] {
  const all: RoutedTo[] = [...routes].flatMap(([service, own]) =>
    own.map((route) => ({ route, backend: serviceWord(service) })),
  );
  if (settings.webhook !== undefined) all.push({ route: settings.webhook, backend: WEBHOOK });
  return [
    ...inOrder(all).flatMap(({ route, backend }) =>
      conditionsOf(asWords(route)).map((condition) =>
        condition === "" ? `  use_backend ${backend}` : `  use_backend ${backend} if ${condition}`,
      ),
    ),
    `  default_backend ${NOWHERE}`,
  ];
}

/** Nothing in them has a meaning in HAProxy's syntax: no space, quote, backslash, dollar, brace or hash. */
function asWords({ host, path }: Route): Route {
  return {
    host: host === undefined ? undefined : word(host, /^(\*\.)?[a-z0-9.-]+$/),
    path: word(path, /^\/[A-Za-z0-9._~:@+=%/-]*$/),
  };
}
