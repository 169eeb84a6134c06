import { createHash } from "node:crypto";

import type { Frontage } from "../core/edge.ts";
import { frontends, NOWHERE, WEBHOOK } from "./frontends.ts";
import { LOG_FORMAT, LOG_RING, PROXY_FOLDER } from "./proxy.ts";
import { SCRIPTS } from "./scripts.ts";
import { serverLines } from "./server-line.ts";
import type { PlacedDirection } from "./state.ts";
import { serviceWord, word } from "./word.ts";

/** It owns nothing: what the workers run as. */
const UNPRIVILEGED = 99;

/** Mozilla's "intermediate" (ssl-config.mozilla.org): every client since Android 5 and Safari 9. */
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];
const CIPHERSUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/** Of what may be sent again when the connection broke before an answer: what any server has to expect (RFC 9110, section 9.2.2). */
const ONLY_IDEMPOTENT = "  http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }";
/**
 * HAProxy sends again only what it had whole, in its buffer, when it sent it first: it waits for a body, as long as `timeout
 * client`, or until the buffer is full. Not for one without a length: that may be a stream whose answer comes meanwhile.
 */
const WHOLE_FIRST = "  http-request wait-for-body time 10m if { req.hdr(content-length) -m found }";

/** `host:port`, as seen from this host. */
type DaemonPlace = { address: string; speaksTls: boolean };

/** What the configuration is made of, besides the servers. */
export type Surroundings = {
  frontage: Frontage;
  /** The folder with the certificates, in the folder of the edge; there with `https`. */
  certificates: string | undefined;
  /** Where the daemon itself answers. */
  daemon: DaemonPlace;
  /** Whom the admin socket belongs to. */
  owner: { uid: number; gid: number };
  /** This host has IPv6. */
  ipv6: boolean;
};

/**
 * The configuration of the proxy, haproxy.cfg. The servers stand in it as they are at run time, under the same names: a
 * proxy that starts anew goes on as it was. Errors: `edge`, for a value that would be syntax.
 */
export function render(surroundings: Surroundings, directions: ReadonlyMap<string, PlacedDirection>): string {
  return sections(surroundings, identity(surroundings), directions);
}

/** Another text whenever something but the servers differs. The proxy tells it as its description, in `show info`. */
export function identity(surroundings: Surroundings): string {
  return createHash("sha256")
    .update(sections(surroundings, "", new Map()))
    .digest("hex")
    .slice(0, 16);
}

function sections(
  { frontage, certificates, daemon, owner, ipv6 }: Surroundings,
  description: string,
  directions: ReadonlyMap<string, PlacedDirection>,
): string {
  const { webhook, challenges } = frontage.settings;
  const services = [...frontage.routes].filter(([, routes]) => routes.length > 0).map(([service]) => service);
  return [
    ["# Written by deployer-service, which overwrites what is changed here."],
    global(description, owner, challenges !== undefined),
    [`ring ${LOG_RING}`, "  format raw", "  maxlen 512", "  size 1048576"],
    DEFAULTS,
    ...frontends(frontage, { certificates, ipv6 }),
    ...services.toSorted().map((service) => backend(service, directions.get(service), frontage.resendAll)),
    ...(webhook === undefined ? [] : [webhookBackend(daemon)]),
    [
      `backend ${NOWHERE}`,
      '  http-request return status 404 content-type text/plain string "nothing is served here\\n"',
    ],
  ]
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

function global(description: string, { uid, gid }: Surroundings["owner"], hasChallenges: boolean): string[] {
  return [
    "global",
    `  description "${description}"`,
    `  uid ${UNPRIVILEGED}`,
    `  gid ${UNPRIVILEGED}`,
    `  stats socket "\${RUN_DIR}/admin.sock" mode 600 uid ${uid} gid ${gid} level admin expose-fd listeners`,
    // The most connections follow from this, two descriptors each, and from a lower limit of the container.
    "  fd-hard-limit 50000",
    // A worker that was replaced lives as long as its connections: these are the limits of that.
    "  hard-stop-after 24h",
    "  mworker-max-reloads 10",
    `  log ring@${LOG_RING} format raw local0`,
    `  lua-load ${PROXY_FOLDER}/${SCRIPTS.hold.file}`,
    `  lua-load ${PROXY_FOLDER}/${SCRIPTS.follow.file}`,
    ...(hasChallenges ? [`  lua-load ${PROXY_FOLDER}/${SCRIPTS.challenge.file}`] : []),
    `  ssl-default-bind-ciphers ${CIPHERS.join(":")}`,
    `  ssl-default-bind-ciphersuites ${CIPHERSUITES.join(":")}`,
    "  ssl-default-bind-options ssl-min-ver TLSv1.2 prefer-client-ciphers no-tls-tickets",
  ];
}

const DEFAULTS = [
  "defaults",
  "  mode http",
  "  log global",
  `  log-format "${LOG_FORMAT}"`,
  "  timeout connect 1s",
  "  timeout queue 5s",
  "  timeout http-request 10s",
  "  timeout http-keep-alive 30s",
  // A report may take minutes, an event stream be silent for as long: the application decides, not the way to it.
  "  timeout client 10m",
  "  timeout client-fin 30s",
  "  timeout server 10m",
  "  timeout server-fin 30s",
  "  timeout tunnel 1h",
  // A worker that stops closes a kept connection with an answer, never between two requests.
  "  option idle-close-on-response",
  // Each request gets a connection of its own to the container: on a kept one, which the container may be closing at this
  // very moment, a POST would be lost, for nobody may send it again.
  "  option http-server-close",
  "  balance roundrobin",
  "  option allbackups",
  "  retries 5",
  "  option redispatch 1",
  "  retry-on conn-failure empty-response",
  '  http-error status 503 content-type text/plain string "this service cannot be reached\\n" hdr Retry-After 5',
];

/** Only what is held goes through the script: it is one for all threads. */
function backend(
  service: string,
  direction: PlacedDirection | undefined,
  resendAll: ReadonlySet<string>,
): string[] {
  const lines = direction === undefined ? [] : serverLines(direction);
  return [
    `backend ${serviceWord(service)}`,
    `  http-request lua.hold if { be_name -m str -f virt@holds }`,
    `  http-request return status 503 hdr Retry-After 5 content-type text/plain string "this service is being replaced\\n" if { var(txn.hold) -m str refused }`,
    resendAll.has(service) ? WHOLE_FIRST : ONLY_IDEMPOTENT,
    ...lines.map(({ name, address, port, options }) => `  server ${name} ${address}:${port} ${options}`),
  ];
}

/** Whoever asks for a deployment may wait for its end. */
function webhookBackend({ address, speaksTls }: DaemonPlace): string[] {
  // Its certificate is for callers from elsewhere; between the two there is nobody.
  const how = speaksTls ? " ssl verify none" : "";
  return [
    `backend ${WEBHOOK}`,
    "  timeout server 1h",
    ONLY_IDEMPOTENT,
    `  server daemon ${word(address, /^[A-Za-z0-9.:[\]-]+:\d+$/)}${how}`,
  ];
}
