import { z } from "zod";

import type { HttpAnswer } from "./http-answer.ts";
import type { Failure, LoadSettings } from "./load-result.ts";
import { seededRandom } from "./random.ts";
import { randomBytes } from "./tar.ts";

/** One request of a load, and how to judge what comes back. */
export type LoadRequest = Pick<Failure, "kind" | "connection"> & {
  bytes: Uint8Array;
  /** Milliseconds that it asks the server to take. */
  wanted: number;
  /** What is wrong with an answer; undefined: nothing. */
  complaint(answer: HttpAnswer): string | undefined;
};

type Upload = { body: Buffer; sha256: string };
type Judge = LoadRequest["complaint"];

const OK = 200;
const KIBIBYTE = 1_024;

const Echo = z.object({ sha256: z.string(), length: z.number() });

/** Gives one request after the other, the same ones for the same seed. */
export function requestMix({ service, ...mix }: LoadSettings, host: string): () => LoadRequest {
  const random = seededRandom(mix.seed);
  const uploads = Array.from({ length: mix.postKib }, (_, index) => toUpload((index + 1) * KIBIBYTE));
  const request = (first: string, connection: Failure["connection"], upload?: Upload): Buffer => {
    const length = upload === undefined ? [] : [`Content-Length: ${upload.body.length}`];
    const close = connection === "new" ? ["Connection: close"] : [];
    const head = [`${first} HTTP/1.1`, `Host: ${host}`, ...length, ...close, "", ""].join("\r\n");
    return Buffer.concat([Buffer.from(head), upload?.body ?? Buffer.alloc(0)]);
  };
  const pages = {
    new: request("GET /", "new"),
    kept: request("GET /", "kept"),
  };

  return () => {
    const connection = random() < mix.newConnections ? "new" : "kept";
    const choice = random();
    const upload = uploads[Math.floor(random() * uploads.length)];
    const judge = (fits: (answer: HttpAnswer) => boolean): Judge => judgeOf(service, fits);
    if (choice < mix.slow) {
      const bytes = request(`GET /slow?ms=${mix.slowMs}`, connection);
      return { kind: "slow", connection, wanted: mix.slowMs, bytes, complaint: judge(isPage) };
    }
    if (choice < mix.slow + mix.posts && upload !== undefined) {
      const bytes = request(`POST /echo?ms=${mix.postMs}`, connection, upload);
      const fits = (answer: HttpAnswer) => isEchoOf(upload, answer);
      return { kind: "post", connection, wanted: mix.postMs, bytes, complaint: judge(fits) };
    }
    return { kind: "get", connection, wanted: 0, bytes: pages[connection], complaint: judge(isPage) };
  };
}

function judgeOf(service: string | undefined, fits: (answer: HttpAnswer) => boolean): Judge {
  return (answer) => {
    if (answer.status !== OK) return `status ${answer.status}`;
    const from = answer.headers.get("x-service");
    if (service !== undefined && from !== service) return `wrong service ${from ?? "without a name"}`;
    return fits(answer) ? undefined : "wrong body";
  };
}

function isPage({ headers, body }: HttpAnswer): boolean {
  return body.length > 0 && body.toString() === headers.get("x-version");
}

function isEchoOf({ body, sha256 }: Upload, answer: HttpAnswer): boolean {
  try {
    const echo = Echo.parse(JSON.parse(answer.body.toString()));
    return echo.sha256 === sha256 && echo.length === body.length;
  } catch {
    return false;
  }
}

function toUpload(bytes: number): Upload {
  const body = Buffer.from(randomBytes(bytes));
  return { body, sha256: new Bun.CryptoHasher("sha256").update(body).digest("hex") };
}
