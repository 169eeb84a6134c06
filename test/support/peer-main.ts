import { Resolver } from "node:dns/promises";
import { connect, isIPv4 } from "node:net";

import { z } from "zod";

import { type Answer, Targets } from "./peer-answer.ts";

/** `bun peer-main.ts TARGETS`: the program that `peer.ts` starts. One line of JSON an answer, and one before the first. */

type Outcome = Pick<Answer, "version" | "failure">;

/** Docker's own name server, as every container on a network of its own has it. */
const DOCKER_DNS = "127.0.0.11";
/** Packets to a container that is just being removed get no answer at all. Long enough for TCP to ask a busy one again. */
const CONNECT_DEADLINE_MS = 3_500;
const ANSWER_DEADLINE_MS = 10_000;
const NAME_DEADLINE_MS = 2_000;
const SHORTEST_PAUSE_MS = 2;
/** Nothing came back: whoever only asks for a page may ask again (RFC 9110, 9.2.2). */
const UNANSWERED = new Set(["refused", "unreachable", "reset", "closed", "late"]);

process.stdout.write("{}\n");
for (const { url, perSecond } of Targets.parse(JSON.parse(process.argv[2] ?? "[]")))
  void keepAsking(url, perSecond);

/** Also when it wakes up late, so often a second on average; nobody waits for an answer before the next question. */
async function keepAsking(url: string, perSecond: number): Promise<never> {
  const { hostname, port } = new URL(url);
  const begin = Date.now();
  for (let asked = 0; ;) {
    for (const due = ((Date.now() - begin) * perSecond) / 1_000; asked < due; asked += 1)
      void report(url, hostname, Number(port || "80"));
    await Bun.sleep(Math.max(SHORTEST_PAUSE_MS, begin + (asked * 1_000) / perSecond - Date.now()));
  }
}

async function report(url: string, host: string, port: number): Promise<void> {
  const at = Date.now();
  const answer = await ask(host, port);
  process.stdout.write(`${JSON.stringify({ url, at, took: Date.now() - at, ...answer })}\n`);
}

/** A refused connection is tried once more: at the next address if the name has several, as clients do. */
async function ask(host: string, port: number): Promise<Omit<Answer, "url" | "at" | "took">> {
  try {
    const [first, second] = await addressesOf(host);
    const answer = await get(first, port);
    if (!UNANSWERED.has(answer.failure ?? "")) return answer;
    const again = await get(second ?? (await addressesOf(host))[0], port);
    return { ...again, retried: `${first} ${answer.failure}` };
  } catch (error) {
    return { failure: `unresolved: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function addressesOf(host: string): Promise<[string, string | undefined]> {
  if (isIPv4(host)) return [host, undefined];
  // A new one each time: c-ares remembers answers for their TTL, which Docker gives as ten minutes.
  const resolver = new Resolver({ timeout: NAME_DEADLINE_MS, tries: 2 });
  resolver.setServers([DOCKER_DNS]);
  const [first, second] = await resolver.resolve4(host);
  if (first === undefined) throw new Error("no address");
  return [first, second];
}

function get(address: string, port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host: address, port });
    let timer = setTimeout(() => end({ failure: "late" }), CONNECT_DEADLINE_MS);
    const end = (outcome: Outcome) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    socket.setEncoding("utf8");
    socket.on("connect", () => {
      clearTimeout(timer);
      timer = setTimeout(() => end({ failure: "no answer" }), ANSWER_DEADLINE_MS);
      socket.write("GET / HTTP/1.0\r\n\r\n");
    });
    socket.on("data", (part) => (text += String(part)));
    socket.on("error", (error) => end({ failure: text === "" ? failureOf(error) : "cut" }));
    socket.on("close", () => end(text === "" ? { failure: "closed" } : answerOf(text)));
  });
}

function answerOf(text: string): Outcome {
  const [head = "", body = ""] = text.split("\r\n\r\n");
  const status = /^HTTP\/1\.\d (\d{3})/.exec(head)?.[1];
  if (status !== "200") return { failure: `status ${status ?? "none"}` };
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1]);
  return body.length === length ? { version: body.trim() } : { failure: "cut" };
}

const Coded = z.object({ code: z.string() });

function failureOf(error: unknown): string {
  const code = Coded.safeParse(error).data?.code ?? String(error);
  if (code === "ECONNREFUSED") return "refused";
  if (code === "EHOSTUNREACH" || code === "ENETUNREACH") return "unreachable";
  return code === "ECONNRESET" || code === "EPIPE" ? "reset" : code;
}
