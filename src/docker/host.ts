import { DeployerError } from "../core/errors.ts";

/** Where the Docker Engine listens, ready for `fetch`. */
export type DockerHost = {
  /** As a person would write it, for messages. */
  text: string;
  /** Origin of every request. */
  origin: string;
  /** Path of the socket; undefined for TCP. */
  unix: string | undefined;
};

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const DEFAULT_PORT = "2375";

/**
 * `DOCKER_HOST` as the docker CLI reads it: `unix:///path` or `tcp://host[:port]`, the default socket when unset or empty.
 * Anything else, TLS included, is a `config` error: Compose would reach an engine that this program does not.
 */
export function dockerHost(env: Readonly<Record<string, string | undefined>>): DockerHost {
  const text = env["DOCKER_HOST"] || DEFAULT_HOST;
  if (text.startsWith("unix://")) return unixHost(text);
  if (text.startsWith("tcp://")) return tcpHost(text, env["DOCKER_TLS_VERIFY"] ?? "");
  throw unusable(text, "only unix:///path/to/docker.sock and tcp://host:port are supported");
}

function unixHost(text: string): DockerHost {
  const unix = text.slice("unix://".length);
  if (!unix.startsWith("/"))
    throw unusable(text, "the socket needs an absolute path, as in unix:///var/run/docker.sock");
  return { text, origin: "http://docker", unix };
}

function tcpHost(text: string, tlsVerify: string): DockerHost {
  if (tlsVerify !== "") throw unusable(text, "DOCKER_TLS_VERIFY is set, and TLS to Docker is not supported");
  const url = URL.parse(`http://${text.slice("tcp://".length)}`);
  const isPlain =
    url !== null && url.pathname === "/" && url.search === "" && url.username === "" && url.hash === "";
  if (!isPlain) throw unusable(text, "expected tcp://host:port");
  return { text, origin: `http://${url.hostname}:${url.port || DEFAULT_PORT}`, unix: undefined };
}

function unusable(text: string, reason: string): DeployerError {
  return new DeployerError("config", `DOCKER_HOST ${JSON.stringify(text)} cannot be used: ${reason}`);
}
