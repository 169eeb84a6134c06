/** What a token is bound to. `target` is that of the request line: path and query. */
export type RequestLine = { method: "GET" | "POST" | "DELETE"; target: string; body?: string | undefined };

export type Outgoing = RequestLine & { headers: Readonly<Record<string, string>>; signal: AbortSignal };

/** The way to a daemon. */
export type Transport = {
  /** What people call the daemon at its end: the path of a socket, or a URL. */
  place: string;
  /** The bearer token for this one request; undefined where none is needed. Its errors are its own. */
  authorise(request: RequestLine): Promise<string | undefined>;
  /** The answer as it comes, whatever its status. Errors: `ClientError`. */
  send(request: Outgoing): Promise<Response>;
};
