import type { Context, Hono } from "hono";

import type { Caller } from "../core/caller.ts";

/** What a handler may do with the connection under its request. */
export type Connection = {
  /** Address of the peer, `""` when it is gone. */
  remote(): string;
  /** Closes the connection after so many seconds without progress; 0: never. */
  closeAfterIdle(seconds: number): void;
  /** Who is at the other end, where the kernel has let in nobody else; such a caller needs no token. */
  caller?: Caller;
};

/** The connection a request comes with has default idle time; a handler that changes it puts it back before it answers. */
export const IDLE_SECONDS = 10;

type HttpEnv = { Bindings: Connection };
export type HttpContext = Context<HttpEnv>;
/** Its `fetch` and `request` need the `Connection` as their `env`. */
export type App = Hono<HttpEnv>;
