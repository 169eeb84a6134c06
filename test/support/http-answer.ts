/** One whole answer (RFC 9112). */
export type HttpAnswer = {
  status: number;
  /** By name in lower case; of several with one name, the last. */
  headers: ReadonlyMap<string, string>;
  body: Buffer;
  /** Whether the connection may be used again. */
  keepsOpen: boolean;
};

export type AnswerReader = {
  /** The answer, once it is whole. Throws when it is none. */
  push(bytes: Uint8Array): HttpAnswer | undefined;
  /** The other side has closed: the answer, if that is what ends it. */
  end(): HttpAnswer | undefined;
};

type Head = Omit<HttpAnswer, "body"> & { bodyStart: number };
type Body = { bytes: Buffer; end: number };

const BLANK_LINE = "\r\n\r\n";
const LINE_END = "\r\n";
const HEXADECIMAL = 16;
const FIRST_FINAL_STATUS = 200;
const NO_CONTENT = new Set([204, 304]);

/** Reads one answer to a request that was not HEAD. */
export function answerReader(): AnswerReader {
  let received: Buffer = Buffer.alloc(0);
  let head: Head | undefined;

  function whole(body: Body): HttpAnswer | undefined {
    if (head === undefined) return undefined;
    const { status, headers } = head;
    const isAll = body.end === received.length;
    return { status, headers, body: body.bytes, keepsOpen: head.keepsOpen && isAll };
  }

  return {
    push(bytes) {
      received = Buffer.concat([received, bytes]);
      head ??= readHead(received);
      while (head !== undefined && head.status < FIRST_FINAL_STATUS) {
        received = received.subarray(head.bodyStart);
        head = readHead(received);
      }
      if (head === undefined) return undefined;
      const body = readBody(head, received);
      return body === undefined ? undefined : whole(body);
    },
    end() {
      if (head === undefined || lengthOf(head) !== "until close") return undefined;
      return whole({ bytes: received.subarray(head.bodyStart), end: received.length });
    },
  };
}

function readHead(received: Buffer): Head | undefined {
  const end = received.indexOf(BLANK_LINE);
  if (end < 0) return undefined;
  const [first = "", ...lines] = received.toString("latin1", 0, end).split(LINE_END);
  const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) throw new Error(`not HTTP: ${first}`);
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const connection = headers.get("connection")?.toLowerCase();
  const keepsOpen = minor === "1" ? connection !== "close" : connection === "keep-alive";
  return { status: Number(status), headers, keepsOpen, bodyStart: end + BLANK_LINE.length };
}

function lengthOf({ status, headers }: Head): number | "chunked" | "until close" {
  if (NO_CONTENT.has(status)) return 0;
  if (headers.get("transfer-encoding")?.toLowerCase() === "chunked") return "chunked";
  const length = headers.get("content-length");
  return length === undefined ? "until close" : Number(length);
}

function readBody(head: Head, received: Buffer): Body | undefined {
  const length = lengthOf(head);
  if (length === "chunked") return readChunks(head.bodyStart, received);
  if (length === "until close") return undefined;
  const end = head.bodyStart + length;
  return received.length < end ? undefined : { bytes: received.subarray(head.bodyStart, end), end };
}

/** Without trailers: no server of ours sends any. */
function readChunks(from: number, received: Buffer): Body | undefined {
  const chunks: Buffer[] = [];
  for (let start = from; ;) {
    const lineEnd = received.indexOf(LINE_END, start);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(received.toString("latin1", start, lineEnd), HEXADECIMAL);
    if (Number.isNaN(size)) throw new Error("not a chunk");
    const data = lineEnd + LINE_END.length;
    const end = data + size + LINE_END.length;
    if (received.length < end) return undefined;
    if (size === 0) return { bytes: Buffer.concat(chunks), end };
    chunks.push(received.subarray(data, data + size));
    start = end;
  }
}
