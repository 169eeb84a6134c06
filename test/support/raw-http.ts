import { createConnection } from "node:net";

/** Requests byte for byte as written here: `fetch` trims header values, adds a Host, and refuses what a hostile caller sends. */

export type RawRequest = {
  method: string;
  target: string;
  /** Printed in order; `Host` and `Connection: close` come first unless they are among them. */
  headers?: readonly (readonly [name: string, value: string])[];
  /** Sent with its Content-Length, unless a header says how it comes. */
  body?: string | Uint8Array;
  /** The loopback address it comes from; default 127.0.0.1. */
  from?: string;
};

export type RawReply = { status: number; text: string; headers: Headers };

const DEADLINE = 60_000;

/** Sends a request and reads until the server closes. */
export async function ask(port: number, request: RawRequest, deadline?: number): Promise<RawReply> {
  return parseReply(await exchange(port, bytesOf(request), deadline, request.from));
}

/** Sends bytes as they are and returns all that comes back until the server closes; throws at the deadline. */
export async function exchange(
  port: number,
  bytes: Uint8Array | string,
  deadline: number = DEADLINE,
  from?: string,
): Promise<string> {
  await using connection = await connect(port, from);
  connection.send(bytes);
  return await connection.untilClosed(deadline);
}

export type Connection = {
  send(bytes: Uint8Array | string): void;
  /** Resolves when all of it has left this process, or cannot any more. */
  sent(): Promise<void>;
  /** What has come so far, bytes as characters. */
  received(): string;
  isClosed(): boolean;
  /** Says that nothing more will be sent (FIN) and goes on reading. */
  endSending(): void;
  untilClosed(deadline?: number): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function connect(port: number, from = "127.0.0.1"): Promise<Connection> {
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
  let text = "";
  let isClosed = false;
  const socket = createConnection({ host: "127.0.0.1", port, localAddress: from, allowHalfOpen: true });

  function end(): void {
    isClosed = true;
    onClosed();
  }

  socket.setEncoding("latin1");
  socket.on("data", (data: string) => void (text += data));
  socket.on("end", end);
  socket.on("close", end);
  socket.on("error", end);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return {
    send: (bytes) => void socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes),
    async sent() {
      if (isClosed || !socket.writableNeedDrain) return;
      const { promise: drained, resolve } = Promise.withResolvers<void>();
      socket.once("drain", resolve);
      await Promise.race([drained, closed]);
    },
    received: () => text,
    isClosed: () => isClosed,
    endSending: () => void socket.end(),
    async untilClosed(deadline = DEADLINE) {
      const { promise: late, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => reject(new Error(`the server did not close within ${deadline} ms; so far: ${text}`)),
        deadline,
      );
      try {
        await Promise.race([closed, late]);
        return text;
      } finally {
        clearTimeout(timer);
      }
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
}

export function bytesOf({ method, target, headers = [], body }: RawRequest): Uint8Array {
  const has = (name: string) => headers.some(([given]) => given.toLowerCase() === name);
  const content = typeof body === "string" ? Buffer.from(body) : body;
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...(has("host") ? [] : ["Host: localhost"]),
    ...(has("connection") ? [] : ["Connection: close"]),
    ...(content === undefined || has("content-length") || has("transfer-encoding")
      ? []
      : [`Content-Length: ${content.length}`]),
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), content ?? new Uint8Array()]);
}

/** The first reply in what a server sent. */
export function parseReply(received: string): RawReply {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) throw new Error(`no whole reply: ${JSON.stringify(received)}`);
  const [first = "", ...lines] = received.slice(0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
  const headers = new Headers(
    lines.map((line): [string, string] => [
      line.slice(0, line.indexOf(":")),
      line.slice(line.indexOf(":") + 1),
    ]),
  );
  return { status, headers, text: Buffer.from(received.slice(end + 4), "latin1").toString() };
}
