/** A request that did not do what it should. */
export class ClientError extends Error {
  /**
   * `unreachable`: nobody answers, or not as the daemon does; `unauthorized`: a token that is not accepted, or this user
   * may not open the socket; else the daemon's own code.
   */
  readonly code: string;
  /** For how long the same request is worth sending again, in milliseconds; 0: that would change nothing. */
  readonly patienceMs: number;
  /** How long to wait before that, where the answer said so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    {
      patienceMs = 0,
      retryAfterMs,
      ...options
    }: ErrorOptions & { patienceMs?: number; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.name = "ClientError";
    this.code = code;
    this.patienceMs = patienceMs;
    this.retryAfterMs = retryAfterMs;
  }
}
