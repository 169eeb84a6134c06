/** What kind of request of the registry protocol (OCI distribution specification) a path is. */
export type RequestKind = "ping" | "manifest" | "blob" | "other";

export type FaultStatus = 401 | 403 | 404 | 429 | 500 | 502 | 503;

/** What goes wrong with a request. */
export type Fault =
  /** The registry answers this status, `error` instead of its usual body; `retryAfter` in seconds. */
  | { kind: "status"; status: FaultStatus; retryAfter?: number; error?: { code: string; message: string } }
  /** As ECR answers an expired token, whatever token was sent. */
  | { kind: "expired" }
  /** The connection is cut after so many bytes of the body. */
  | { kind: "cut"; afterBytes: number }
  /** The body arrives at this rate. */
  | { kind: "slow"; bytesPerSecond: number }
  /** No answer at all. */
  | { kind: "hang" };

/** Which requests a fault hits; unset: all that carry a credential. */
export type FaultTarget = {
  on?: RequestKind;
  /** `GET`, `HEAD`; default both. */
  method?: string;
  /** How many requests, default all until `clear`. */
  times?: number;
  /** Blobs (by their Content-Length) smaller than this are spared: image configurations are. */
  minBytes?: number;
};

type Rule = { fault: Fault; target: FaultTarget; left: number };

/** The faults in force, the newest first. */
export class RegistryFaults {
  readonly #rules: Rule[] = [];

  add(fault: Fault, target: FaultTarget = {}): void {
    this.#rules.unshift({ fault, target, left: target.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  /** The fault that hits this request; asking uses it up. `bytes`: the body's length. */
  take(method: string, kind: RequestKind, bytes: number): Fault | undefined {
    const rule = this.#rules.find(
      ({ target, left }) =>
        left > 0 &&
        (target.on ?? kind) === kind &&
        (target.method ?? method) === method &&
        bytes >= (target.minBytes ?? 0),
    );
    if (rule === undefined) return undefined;
    rule.left--;
    return rule.fault;
  }
}

export function requestKind(path: string): RequestKind {
  if (path === "/v2/") return "ping";
  if (/^\/v2\/.+\/manifests\/[^/]+$/.test(path)) return "manifest";
  if (/^\/v2\/.+\/blobs\/sha256:[0-9a-f]{64}$/.test(path)) return "blob";
  return "other";
}
