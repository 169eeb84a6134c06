/** The daemon says something at least every 15 s. */
const SILENCE_MS = 45_000;

/** Ends a request when nothing comes for too long, and not otherwise. */
export class Watchdog {
  readonly signal: AbortSignal;
  readonly #over = new AbortController();
  #timer = this.#start();

  /** @param enough ends it too */
  constructor(enough?: AbortSignal) {
    this.signal = enough === undefined ? this.#over.signal : AbortSignal.any([this.#over.signal, enough]);
  }

  /** What is read of it is a sign of life. */
  through(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    this.#feed();
    return body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          this.#feed();
          controller.enqueue(chunk);
        },
      }),
    );
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #feed(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  #start(): ReturnType<typeof setTimeout> {
    // A story that nobody reads to its end keeps no process from ending.
    return setTimeout(() => this.#over.abort(silence()), SILENCE_MS).unref();
  }
}

function silence(): Error {
  return Object.assign(new Error("nothing came in time"), { name: "TimeoutError" });
}
