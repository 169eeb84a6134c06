import type { Context, Hono } from "hono";

import type { Caller } from "../core/caller.ts";
import type { DeployerError } from "../core/errors.ts";

/** What a handler may do with the connection under its request. */
export type Connection = {
  /** Address of who sent the request, `""` when it is gone: the peer, or whom a trusted proxy speaks for. */
  remote(): string;
  /** Closes the connection after so many seconds without progress; 0: never. */
  closeAfterIdle(seconds: number): void;
  /** Who is at the other end, where the kernel has let in nobody else; such a caller needs no token. */
  caller?: Caller;
};

/** The connection a request comes with has default idle time; a handler that changes it puts it back before it answers. */
export const IDLE_SECONDS = 10;

/** What was found out about the token of a request, for its line in the log. */
type Findings = {
  /** The token itself was good. */
  verified?: true;
  /** Why it was not accepted, where the request was answered all the same. */
  refused?: DeployerError;
};

type HttpEnv = { Bindings: Connection; Variables: Findings };
export type HttpContext = Context<HttpEnv>;
/** Its `fetch` and `request` need the `Connection` as their `env`. */
export type App = Hono<HttpEnv>;
