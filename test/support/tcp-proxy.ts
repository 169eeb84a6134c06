import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** The network between a client and a daemon, which can be cut. */
export type TcpProxy = {
  port: number;
  /** From now on every connection is cut so long after it has begun, in milliseconds. */
  cutAfter(milliseconds: number): void;
  /** The next connection is cut when its answer begins, before a byte of it has passed. */
  loseAnswer(): void;
  /** How many connections there have been. */
  connections(): number;
  [Symbol.asyncDispose](): Promise<void>;
};

/** @param tls ends TLS before the daemon */
export async function startTcpProxy(target: number, tls?: { key: string; cert: string }): Promise<TcpProxy> {
  const open = new Set<Socket>();
  let lifetime: number | undefined;
  let count = 0;
  let losesAnswer = false;

  function pass(inbound: Socket): void {
    count++;
    const outbound = connect(target, "127.0.0.1");
    for (const [one, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
    inbound.pipe(outbound);
    if (losesAnswer) outbound.once("data", () => inbound.destroy());
    else outbound.pipe(inbound);
    losesAnswer = false;
    if (lifetime !== undefined) setTimeout(() => inbound.destroy(), lifetime).unref();
  }

  const server = tls === undefined ? createServer(pass) : createTlsServer(tls, pass);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cutAfter(milliseconds) {
      lifetime = milliseconds;
    },
    loseAnswer() {
      losesAnswer = true;
    },
    connections: () => count,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
