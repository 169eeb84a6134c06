import { DeployerError, type ErrorCode } from "../core/errors.ts";
import { DEFAULT_REGISTRY, parseImage } from "../core/image.ts";
import { oneLine } from "./answer.ts";

/**
 * What a failed pull or look-up of `image` means, told from the words Docker passes on: its HTTP status does not say
 * (dockerd 20.10 answers 500 to a missing credential and 404 to an expired one).
 * The words are those of moby's `daemon/internal/distribution`, of `distribution/registry/client` (image store on graph drivers)
 * and of containerd's `core/remotes/docker` (containerd image store).
 */
export function registryFailure(image: string, said: string): DeployerError {
  const registry = parseImage(image)?.registry ?? DEFAULT_REGISTRY;
  const words = quotable(said);
  const kind = kindOf(plain(said, image));
  switch (kind) {
    case "limited":
      return new DeployerError(
        "registry_unavailable",
        `registry ${registry} limits requests, asked for ${image}: ${words}`,
        {
          cause: new TooManyRequests(words),
        },
      );
    case "registry_denied":
      return new DeployerError(kind, `registry ${registry} refused access to ${image}: ${words}`);
    case "image_not_found":
      return new DeployerError(kind, `registry ${registry} does not have ${image}: ${words}`);
    case "registry_unavailable":
      return new DeployerError(kind, `registry ${registry} could not deliver ${image}: ${words}`);
    case "wrong_platform":
      return new DeployerError(kind, `${image} is not for this host: ${words}; ${platformAdvice(words)}`);
    case "disk_full":
      return new DeployerError(
        kind,
        `no room is left on this host's disk for ${image}: ${words}; free some (docker system df shows what takes it), then deploy again`,
      );
    case "docker":
      return new DeployerError(kind, `Docker could not fetch ${image}: ${words}`);
  }
}

/** A failure that only a longer pause can heal. */
export function isRateLimit(error: unknown): boolean {
  return error instanceof DeployerError && error.cause instanceof TooManyRequests;
}

class TooManyRequests extends Error {}

type Kind =
  | Extract<
      ErrorCode,
      | "registry_denied"
      | "image_not_found"
      | "registry_unavailable"
      | "wrong_platform"
      | "disk_full"
      | "docker"
    >
  | "limited";

/** The first that matches decides. */
const KINDS: readonly [Kind, RegExp][] = [
  ["limited", /toomanyrequests|too many requests|\b429\b|rate limit|rate exceeded|throttl/],
  ["registry_unavailable", /dial tcp|dial udp|proxyconnect|no such host|server misbehaving/],
  ["disk_full", /no space left on device|disk quota exceeded/],
  ["wrong_platform", /no matching manifest for|no match for platform|cannot be used on this platform/],
  ["docker", /read-only file system|permission denied|input\/output error|invalid reference format/],
  [
    "registry_denied",
    /no basic auth credentials|missing username or secret|token has expired|unauthori[sz]ed|authentication required|authorization failed|insufficient_scope|incorrect username or password|\bdenied\b|not authorized to perform|\b40[13]\b(?= (?:unauthorized|forbidden|response body))/,
  ],
  [
    "image_not_found",
    /not found|manifest unknown|name unknown|no such manifest|manifest does not exist|name not known|\b404\b/,
  ],
  [
    "registry_unavailable",
    /\beof\b|time[d ]*out|deadline exceeded|connection (?:reset|refused)|broken pipe|closed network connection|network is unreachable|no route to host|\btls\b|x509|certificate|http response to https client|unexpected http status|unexpected status|\b5\d\d\b|service unavailable|internal server error|bad gateway|context canceled|request canceled|http2|stream error|short read|layer verification failed|verification failed for digest|unexpected commit|unknown blob|blob unknown|failed to (?:do request|copy)|error parsing http|(?:get|head|post) "":/,
  ],
];

function kindOf(words: string): Kind {
  return KINDS.find(([, pattern]) => pattern.test(words))?.[0] ?? "docker";
}

/** With the platform that Docker looked for, as it names it. */
function platformAdvice(words: string): string {
  const platform = /no matching manifest for ([a-z0-9]+\/[a-z0-9/]+)/.exec(words)?.[1];
  return platform === undefined
    ? "build it for this host's platform"
    : `build it with --platform ${platform}`;
}

/** Without the names and addresses in it, which may contain any word: `team/unauthorized`, `/v2/web/manifests/500`. */
function plain(said: string, image: string): string {
  const name = parseImage(image)?.name ?? image;
  return said
    .replace(/https?:\/\/[^\s"]*/g, "")
    .replaceAll(name, "")
    .replace(/sha256:[0-9a-f]+/g, "")
    .toLowerCase();
}

/** Signed download addresses (ECR's layers lie in S3) carry a credential in their query. */
function quotable(said: string): string {
  const withoutSecrets = said
    .replace(/(https?:\/\/)[^\s"/@]*@/g, "$1")
    .replace(/(https?:\/\/[^\s"?]*)\?[^\s"]*/g, "$1?…");
  return oneLine(withoutSecrets) || "no reason given";
}
