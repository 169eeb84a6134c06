import { ClientError } from "./client-error.ts";

/** The request may have arrived: long enough for a restart of the daemon, which may have to end a deployment first. */
export const LOST_PATIENCE_MS = 150_000;
/** Nobody has heard it: long enough for a start. */
const REFUSED_PATIENCE_MS = 15_000;

const REFUSED = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);
const NO_NAME = new Set(["ENOTFOUND", "EAI_AGAIN", "EAI_NODATA", "EAI_NONAME"]);
const NO_TLS = new Set(["EPROTO", "ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"]);
const UNKNOWN_ISSUER = new Set([
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
]);

/**
 * What a failed `fetch` means, and what to do about it. Bun gives its code on the error, Node on the cause.
 * @param url of the daemon, without a path
 */
export function notReached(url: string, cause: unknown): ClientError {
  const code = codeOf(cause);
  const { reason, patienceMs } = judge(url, code, cause);
  return new ClientError("unreachable", `no answer from ${url}: ${reason}`, { cause, patienceMs });
}

function judge(url: string, code: string, cause: unknown): { reason: string; patienceMs: number } {
  const { hostname, protocol } = new URL(url);
  if (NO_NAME.has(code))
    return { reason: `nobody knows the name ${hostname}; is the URL right?`, patienceMs: 0 };
  if (REFUSED.has(code))
    return {
      reason: `nobody listens there (${code}); does the daemon run, and do the firewall and the security group let this machine in?`,
      patienceMs: REFUSED_PATIENCE_MS,
    };
  if (NO_TLS.has(code))
    return { reason: "it does not speak TLS on this port; is it http://?", patienceMs: 0 };
  if (UNKNOWN_ISSUER.has(code))
    return {
      reason: `its certificate is from an issuer that is not known here (${code}); name the certificate of its CA (--ca FILE; in a workflow the input ca)`,
      patienceMs: 0,
    };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return {
      reason: `its certificate is not for the name ${hostname}; use the name that it is for`,
      patienceMs: 0,
    };
  if (code === "CERT_HAS_EXPIRED")
    return {
      reason: "its certificate has expired; renew it (or is the clock of this machine ahead?)",
      patienceMs: 0,
    };
  if (code === "CERT_NOT_YET_VALID")
    return {
      reason: "its certificate is not valid yet; is the clock of this machine behind?",
      patienceMs: 0,
    };
  if (cause instanceof Error && cause.name === "TimeoutError")
    return { reason: "nothing came in time", patienceMs: LOST_PATIENCE_MS };
  const hint = protocol === "http:" ? "; does it want https://?" : "";
  return {
    reason: `the connection was lost (${code || messageOf(cause)})${hint}`,
    patienceMs: LOST_PATIENCE_MS,
  };
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  return codeOf(error.cause);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
