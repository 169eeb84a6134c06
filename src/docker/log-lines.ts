const MAX_LINE_LENGTH = 2_000;
const HEADER_BYTES = 8;
/** Some at the end may be empty. */
const LINES_LOOKED_AT = 10;
/** Docker splits what a container prints into frames of 16 KiB; anything far above is not a frame. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

// oxlint-disable no-control-regex -- control characters are what these find
/** Escape sequences of a terminal: CSI, OSC and other strings up to their end, and two-character ones. */
const ESCAPE_SEQUENCE =
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]/g;
// oxlint-enable no-control-regex
const NOT_PRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** Collects the last lines of a container's output, in the order they were completed, in bounded memory. */
export type LogLines = {
  push(chunk: Uint8Array): void;
  /** The lines so far; an unfinished last line counts. */
  end(): string[];
};

/** Output of a container with a terminal: one raw stream. */
export function rawLines(limit: number): LogLines {
  const kept = tail(limit);
  const stream = lineSplitter(kept.add);
  return {
    push: stream.push,
    end() {
      stream.end();
      return kept.lines;
    },
  };
}

/**
 * Output of a container without a terminal: frames of an eight byte header (stream number, three zeros, length big-endian) and their payload.
 * See "Stream format" of `POST /containers/{id}/attach` in the Engine API reference.
 */
export function framedLines(limit: number): LogLines {
  const kept = tail(limit);
  const streams = new Map<number, ReturnType<typeof lineSplitter>>();
  const header = new Uint8Array(HEADER_BYTES);
  let headerFilled = 0;
  let payloadLeft = 0;
  let isBroken = false;

  function splitter(stream: number): ReturnType<typeof lineSplitter> {
    const existing = streams.get(stream);
    if (existing !== undefined) return existing;
    const created = lineSplitter(kept.add);
    streams.set(stream, created);
    return created;
  }

  function push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.byteLength && !isBroken) {
      if (payloadLeft > 0) {
        const payload = chunk.subarray(offset, offset + payloadLeft);
        splitter(header[0] ?? 0).push(payload);
        payloadLeft -= payload.byteLength;
        offset += payload.byteLength;
        continue;
      }
      const part = chunk.subarray(offset, offset + HEADER_BYTES - headerFilled);
      header.set(part, headerFilled);
      headerFilled += part.byteLength;
      offset += part.byteLength;
      if (headerFilled === HEADER_BYTES) {
        headerFilled = 0;
        payloadLeft = new DataView(header.buffer).getUint32(4);
        isBroken = payloadLeft > MAX_FRAME_BYTES;
      }
    }
  }

  return {
    push,
    end() {
      for (const stream of streams.values()) stream.end();
      return kept.lines;
    },
  };
}

/** The last line of a text that has something to show; `""` when none has. */
export function lastLine(text: string): string {
  const lines = rawLines(LINES_LOOKED_AT);
  lines.push(new TextEncoder().encode(text));
  return lastOf(lines);
}

/** The last of the collected lines that has something to show. */
export function lastOf(lines: LogLines): string {
  return (
    lines
      .end()
      .findLast((line) => line.trim() !== "")
      ?.trim() ?? ""
  );
}

function tail(limit: number): { lines: string[]; add: (line: string) => void } {
  const lines: string[] = [];
  return {
    lines,
    add(line) {
      lines.push(line);
      if (lines.length > limit) lines.shift();
    },
  };
}

function lineSplitter(add: (line: string) => void): { push: (bytes: Uint8Array) => void; end: () => void } {
  const decoder = new TextDecoder();
  let rest = "";

  function push(text: string): void {
    const parts = text.split("\n");
    for (const [index, part] of parts.entries()) {
      // A line that never ends must not grow without end; what is cut off would not be shown anyway.
      if (rest.length <= 2 * MAX_LINE_LENGTH) rest += part.slice(0, 2 * MAX_LINE_LENGTH);
      if (index < parts.length - 1) {
        add(printable(rest));
        rest = "";
      }
    }
  }

  return {
    push: (bytes) => push(decoder.decode(bytes, { stream: true })),
    end() {
      push(decoder.decode());
      if (rest !== "") add(printable(rest));
      rest = "";
    },
  };
}

function printable(line: string): string {
  const whole = line.replace(ESCAPE_SEQUENCE, "").replace(/\r+$/, "");
  // A terminal would show what follows the last carriage return: the end of a progress bar.
  const text = whole
    .slice(whole.lastIndexOf("\r") + 1)
    .replaceAll("\t", " ")
    .replace(NOT_PRINTABLE, "");
  return text.length > MAX_LINE_LENGTH ? `${text.slice(0, MAX_LINE_LENGTH)}…` : text;
}
