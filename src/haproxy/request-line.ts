/** A request as the proxy's log has it; see `LOG_FORMAT`. */
export type RequestLine = {
  backend: string;
  status: number;
  /** Milliseconds until its answer began, waiting included; undefined when none of the service's own did. */
  latencyMs: number | undefined;
  /** It was sent a second time. */
  isRetried: boolean;
  /** How it ended: who ended it, and in which phase. */
  termination: string;
  hold: "held" | "refused" | undefined;
};

/** Of a request that was sent again in vain, times may be negative by any amount. */
const LINE =
  /^req (\S+) \S+ (-1|\d{3}) (-?\d+) (-?\d+) (-?\d+) \+?(\d+) ([A-Za-z-]{2}) (held|refused|-) (\d+|-)$/;

/** Undefined for every line that is none: HAProxy's own, and one that was cut. */
export function parseRequestLine(line: string): RequestLine | undefined {
  const found = LINE.exec(line);
  if (found === null) return undefined;
  const [, backend = "", status, waited, connecting, answering, retries, termination = "", hold, held] =
    found;
  const times = [Number(waited), Number(connecting), Number(answering)] as const;
  const hasAnswer = times.every((time) => time >= 0);
  return {
    backend,
    status: Number(status),
    latencyMs: hasAnswer ? times[0] + times[1] + times[2] + (Number(held) || 0) : undefined,
    isRetried: Number(retries) > 0,
    termination,
    hold: hold === "held" || hold === "refused" ? hold : undefined,
  };
}
