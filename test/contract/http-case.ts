import { forge } from "../../src/tokens/test-keys.ts";
import type { RawReply } from "../support/raw-http.ts";
import type { HttpWorld } from "./http-world.ts";
import type { Row } from "./table.ts";

/** The request of one row of the HTTP table, where its case says more than method and path. */
export type HttpCase = {
  /** Sent to the daemon in debug mode. */
  debug?: boolean;
  /** Default: a valid token of 300 s for `POST /deploy`, none elsewhere; undefined sends none. */
  authorization?: (world: HttpWorld) => string | undefined;
  headers?: readonly (readonly [name: string, value: string])[];
  /** Default for `/deploy`: base64 of `{"service":"web"}`; the bytes as they go over the wire. */
  body?: string | ((world: HttpWorld) => string);
  /** The reply's text where the row gives only a status. */
  text?: string | ((world: HttpWorld) => string);
  /** The status where the row promises something else than a reply. */
  status?: number;
  before?: (world: HttpWorld) => Promise<void>;
  /** What the row says beyond the reply. */
  after?: (world: HttpWorld, reply: RawReply, again: Again, row: Row) => Promise<void>;
};

/** Cases by the text of the column `case`. */
export type HttpCases = Readonly<Record<string, HttpCase>>;

/** Sends the row's request once more, as this case has it. */
export type Again = (instead: HttpCase) => Promise<RawReply>;

export const RS256 = { alg: "RS256", typ: "JWT" };
const LIFE_SECONDS = 300;

/** As the original's `jwt sign` makes them; undefined leaves a claim out. */
export function claims(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { exp: seconds() + LIFE_SECONDS, iss: "github-actions", ...changes };
}

/** An `Authorization` header that is accepted. */
export function valid({ key }: HttpWorld): string {
  return `Bearer ${forge(key, RS256, claims())}`;
}

/** Seconds since the epoch. */
export function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** A `/deploy` body in the original's form. */
export function encoded(fields: unknown): string {
  return base64(JSON.stringify(fields));
}
