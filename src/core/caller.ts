/** Who sent a request, what it may do, and how the token it came with is bound to it. */
export type Caller = {
  /** Names the issuer in records and in the log, and tells apart what issuers may not share. Never empty. */
  issuer: string;
  may: Permissions;
  /** Id of the repository whose workflow it is; undefined where none is known. */
  repository: string | undefined;
  /** Undefined where nothing but this request can have come by the connection: the control socket. */
  token: TokenUse | undefined;
};

/** What the rules that fit a caller let it do: each of them holds as a whole, and they add up. */
export type Permissions = readonly Grant[];

/** What one rule lets its callers do, each by the names of services. */
export type Grant = {
  deploy: Scope;
  rollback: Scope;
  /** Their deployments and states. */
  read: Scope;
  /** Repositories of images that may be named, as `registry/path`; the service has to allow them besides. */
  images: Scope;
  /** To see what containers of all these services printed. */
  logs: boolean;
};

export type Scope = "all" | ReadonlySet<string>;

/** What a token says of the one request that it is for. */
export type TokenUse = {
  /** `jti`: a POST with it starts something once. Undefined: none. */
  id: string | undefined;
  /** The one request it is good for, as `requestHash` names it. Undefined: any. */
  request: string | undefined;
  /** Whether a POST is refused for want of an `id`, or of a `request`. */
  needs: { id: boolean; request: boolean };
  /** Milliseconds since the epoch; nobody accepts the token afterwards. */
  expiresAt: number;
};

/** Of whoever is root on this host anyway, and of a key where there are no rules. */
export const MAY_ALL: Permissions = [
  { deploy: "all", rollback: "all", read: "all", images: "all", logs: true },
];
