import type { HttpContext } from "./context.ts";

/**
 * Has the project to itself until `task` has ended, which it must when its signal aborts: nothing is deployed meanwhile.
 * Errors: the reason of `signal`, when it aborts before that turn has come.
 */
export type Alone = (task: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) => Promise<void>;

/** What the body says when the turn has come. */
const COME = "turn\n";

/**
 * `POST /compose/turn`: a body that stays open. Its only line comes when no deployment is at work; from then on none begins
 * until the caller closes the connection, however that comes about: the kernel closes it for a caller that was killed.
 */
export function holdTurn(c: HttpContext, alone: Alone): Response {
  const gone = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, gone.signal]);
  c.env.closeAfterIdle(0);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const held = alone(async (signal) => {
        controller.enqueue(new TextEncoder().encode(COME));
        await aborted(signal);
      }, signal);
      void held.catch(() => undefined).finally(() => close(controller));
    },
    cancel: () => gone.abort(),
  });
  return c.body(body, 200, { "Content-Type": "text/plain; charset=utf-8" });
}

async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  await promise;
}

/** The daemon stops, or the caller has gone: then it is closed already. */
function close(controller: ReadableStreamDefaultController): void {
  try {
    controller.close();
  } catch {
    return;
  }
}
