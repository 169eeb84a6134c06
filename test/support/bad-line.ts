import type { IncomingMessage, ServerResponse } from "node:http";

import type { Fault } from "./registry-faults.ts";

const TICKS_A_SECOND = 10;

/** Passes a body on as a bad line would: cut off after some bytes, or slowly. */
export async function sendBadly(
  from: IncomingMessage,
  to: ServerResponse,
  fault: Extract<Fault, { kind: "cut" | "slow" }>,
): Promise<void> {
  if (fault.kind === "cut") await sendPart(from, to, fault.afterBytes);
  else await sendAtRate(from, to, fault.bytesPerSecond);
}

async function sendPart(from: IncomingMessage, to: ServerResponse, bytes: number): Promise<void> {
  let left = bytes;
  for await (const chunk of from) {
    const part = (chunk as Buffer).subarray(0, left);
    await write(to, part);
    left -= part.length;
    if (left === 0) break;
  }
  to.socket?.destroy();
}

async function sendAtRate(from: IncomingMessage, to: ServerResponse, bytesPerSecond: number): Promise<void> {
  const step = Math.max(1, Math.floor(bytesPerSecond / TICKS_A_SECOND));
  for await (const chunk of from) {
    const bytes = chunk as Buffer;
    for (let start = 0; start < bytes.length; start += step) {
      if (to.destroyed) return;
      await write(to, bytes.subarray(start, start + step));
      await Bun.sleep(1000 / TICKS_A_SECOND);
    }
  }
  to.end();
}

function write(to: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
