import { waitFor } from "./wait.ts";

/** WebSocket connections to `/socket` of the web image, which stay open. */
export type Sockets = {
  /** How many are open now. */
  open(): number;
  /** Sends a text of its own on each that is open, and waits for the same text: how many got it, by the version that answered. */
  echo(): Promise<EchoCounts>;
  /** Those that ended although nobody here wanted it, in that order. */
  cuts(): readonly Cut[];
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

type EchoCounts = {
  versions: Record<string, number>;
  /** Cut meanwhile, or without the right answer within 10 s. */
  lost: number;
};

type Cut = {
  /** Milliseconds since the epoch. */
  at: number;
  /** Of the close frame: 1001 is a server's goodbye; 1006: there was none. */
  code: number;
  index: number;
};

export type SocketsOptions = {
  /** `ws://127.0.0.1:80/socket` */
  url: string;
  /** Host header; default: the one of the address. */
  host?: string;
  count: number;
};

type Expected = { text: string; heard: (version: string | undefined) => void };

/** At a time: more would fill a listener's queue. */
const BATCH = 50;
const OPEN_DEADLINE = 30_000;
const ECHO_DEADLINE = 10_000;
const CLOSE_DEADLINE = 10_000;

/** Throws when one of them cannot be opened, with its number. */
export async function openSockets({ url, host, count }: SocketsOptions): Promise<Sockets> {
  const open = new Map<number, WebSocket>();
  const expected = new Map<number, Expected>();
  const cuts: Cut[] = [];
  let isClosing = false;

  function connect(index: number): Promise<void> {
    const socket = new WebSocket(url, host === undefined ? {} : { headers: { Host: host } });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.terminate(), OPEN_DEADLINE);
      socket.addEventListener("open", () => {
        clearTimeout(timer);
        open.set(index, socket);
        resolve();
      });
      socket.addEventListener("message", ({ data }) => hear(index, String(data)));
      socket.addEventListener("close", ({ code }) => {
        clearTimeout(timer);
        if (!open.delete(index)) return reject(new Error(`socket ${index} was not opened: ${code}`));
        if (!isClosing) cuts.push({ at: Date.now(), code, index });
        expected.get(index)?.heard(undefined);
      });
    });
  }

  function hear(index: number, message: string): void {
    const space = message.indexOf(" ");
    const { text, heard } = expected.get(index) ?? {};
    heard?.(message.slice(space + 1) === text ? message.slice(0, space) : undefined);
  }

  function echoOf(index: number, socket: WebSocket): Promise<string | undefined> {
    return new Promise<string | undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ECHO_DEADLINE);
      const heard = (version: string | undefined) => {
        clearTimeout(timer);
        resolve(version);
      };
      const text = `${index} ${crypto.randomUUID()}`;
      expected.set(index, { text, heard });
      socket.send(text);
    });
  }

  async function close(): Promise<void> {
    isClosing = true;
    for (const socket of open.values()) socket.close();
    await waitFor("sockets to close", CLOSE_DEADLINE, () => open.size === 0);
  }

  for (let first = 0; first < count; first += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, count - first) }, (_, index) => first + index);
    await Promise.all(indices.map(connect));
  }
  return {
    open: () => open.size,
    async echo() {
      const answers = await Promise.all([...open].map(([index, socket]) => echoOf(index, socket)));
      const versions: Record<string, number> = {};
      for (const version of answers)
        if (version !== undefined) versions[version] = (versions[version] ?? 0) + 1;
      return { versions, lost: answers.filter((version) => version === undefined).length };
    },
    cuts: () => cuts,
    close,
    [Symbol.asyncDispose]: close,
  };
}
