import { expect, test } from "bun:test";

import { DeployerError } from "../core/errors.ts";
import type { PullProgress } from "../core/engine.ts";
import type { Clock } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { fakeEngine, pieces } from "./fake-engine.ts";
import { pullImage, type Pull } from "./pull.ts";
import { createTransport } from "./transport.ts";

const DIGEST = `sha256:${"3".repeat(64)}`;
const NEVER = new AbortController().signal;
const clock: Clock = { now: () => Date.now(), sleep: (milliseconds) => Bun.sleep(milliseconds) };

const STREAM = [
  { status: "Pulling from team/web", id: `r.example/team/web@${DIGEST}` },
  { status: "Already exists", progressDetail: {}, id: "0aaa" },
  { status: "Pulling fs layer", progressDetail: {}, id: "9f3b" },
  { status: "Pulling fs layer", progressDetail: {}, id: "9e26" },
  {
    status: "Downloading",
    progressDetail: { current: 32768, total: 1064337 },
    progress: "[=\u003e ]",
    id: "9f3b",
  },
  { status: "Downloading", progressDetail: { current: 500, total: 8002639 }, id: "9e26" },
  { status: "Verifying Checksum", progressDetail: {}, id: "9f3b" },
  { status: "Download complete", progressDetail: {}, id: "9f3b" },
  { status: "Extracting", progressDetail: { current: 32768, total: 1064337 }, id: "9f3b" },
  { status: "Pull complete", progressDetail: {}, id: "9f3b" },
  { status: "Extracting", progressDetail: { current: 1, units: "s" }, id: "9e26" },
  { status: "Pull complete", progressDetail: {}, id: "9e26" },
  { status: `Digest: ${DIGEST}` },
  { status: `Status: Downloaded newer image for r.example/team/web@${DIGEST}` },
];
const TEXT = STREAM.map((line) => `${JSON.stringify(line)}\r\n`).join("");

function cutInto(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

function pull(changes: Partial<Pull> = {}): Pull {
  return {
    repository: "r.example/team/web",
    tagOrDigest: DIGEST,
    credential: undefined,
    progress: () => undefined,
    signal: NEVER,
    ...changes,
  };
}

test.each([53, 700, 100_000])(
  "progress is added up over all layers, from chunks of %d bytes",
  async (size) => {
    await using fake = fakeEngine(() => pieces(cutInto(TEXT, size)));
    const seen: PullProgress[] = [];
    await pullImage(createTransport(fake.host), clock, pull({ progress: (progress) => seen.push(progress) }));
    const all = 9066976;
    expect(seen.at(-1)).toEqual({
      downloadedBytes: all,
      unpackedBytes: all,
      totalBytes: all,
      layers: 3,
      layersDone: 3,
    });
    expect(fake.requests[1]).toBe(`POST /v1.41/images/create?fromImage=r.example/team/web&tag=${DIGEST}`);
  },
);

test("progress is reported a few times a second at most", async () => {
  const lines = Array.from({ length: 300 }, (_, index) => ({
    status: "Downloading",
    progressDetail: { current: index, total: 300 },
    id: "9f3b",
  }));
  const text = [...lines, ...STREAM.slice(-1)].map((line) => `${JSON.stringify(line)}\n`).join("");
  await using fake = fakeEngine(() => new Response(text));
  let calls = 0;
  let now = 0;
  const everyMillisecond: Clock = { now: () => (now += 1), sleep: () => Promise.resolve() };
  await pullImage(createTransport(fake.host), everyMillisecond, pull({ progress: () => (calls += 1) }));
  expect(calls).toBeLessThanOrEqual(5);
});

test("the credential travels in the header, base64url with padding, and nowhere else", async () => {
  await using fake = fakeEngine(() => new Response(TEXT));
  // Chosen so that plain base64 has +, / and padding.
  const password = "?>?>~~~~~ÿÿ";
  const credential = { username: "AWS", password: new Secret(password), server: "r.example" };
  await pullImage(createTransport(fake.host), clock, pull({ credential }));
  const header = fake.headers[1]?.get("x-registry-auth") ?? "";
  expect(header).toMatch(/^[A-Za-z0-9_-]+=*$/);
  expect(header.length % 4).toBe(0);
  expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
    username: "AWS",
    password,
    serveraddress: "r.example",
  });
  expect(fake.requests.join()).not.toContain("AWS");
});

test("an identity token is sent as one", async () => {
  await using fake = fakeEngine(() => new Response(TEXT));
  const credential = { username: "<token>", password: new Secret("idt"), server: "r.example" };
  await pullImage(createTransport(fake.host), clock, pull({ credential }));
  const header = fake.headers[1]?.get("x-registry-auth") ?? "";
  expect(JSON.parse(Buffer.from(header, "base64url").toString())).toEqual({
    identitytoken: "idt",
    serveraddress: "r.example",
  });
});

test("without a credential no header is sent", async () => {
  await using fake = fakeEngine(() => new Response(TEXT));
  await pullImage(createTransport(fake.host), clock, pull());
  expect(fake.headers[1]?.has("x-registry-auth")).toBe(false);
});

test("a refusal before the stream begins is told by its words", async () => {
  await using fake = fakeEngine(() =>
    Response.json({ message: 'Get "https://r.example/v2/": no basic auth credentials' }, { status: 500 }),
  );
  await expect(pullImage(createTransport(fake.host), clock, pull())).rejects.toMatchObject({
    code: "registry_denied",
    message: `registry r.example refused access to r.example/team/web@${DIGEST}: Get "https://r.example/v2/": no basic auth credentials`,
  });
});

test("an error in the middle of a 200 fails the pull", async () => {
  const message = "denied: Your authorization token has expired. Reauthenticate and try again.";
  const error = `${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`;
  await using fake = fakeEngine(() =>
    pieces([TEXT.slice(0, 300), TEXT.slice(300, 700).split("\r\n")[0] ?? "", "\r\n", error]),
  );
  await expect(pullImage(createTransport(fake.host), clock, pull())).rejects.toMatchObject({
    code: "registry_denied",
  });
});

test("a stream that ends without success is a failure", async () => {
  const unfinished = STREAM.slice(0, -1)
    .map((line) => `${JSON.stringify(line)}\n`)
    .join("");
  await using fake = fakeEngine(() => new Response(unfinished));
  await expect(pullImage(createTransport(fake.host), clock, pull())).rejects.toMatchObject({
    code: "docker",
    message: `Docker ended the pull of r.example/team/web@${DIGEST} without saying that the image arrived`,
  });
});

test("a stream that is cut is a failure", async () => {
  await using fake = fakeEngine(() => pieces([TEXT.slice(0, 400)], "cut"));
  await expect(pullImage(createTransport(fake.host), clock, pull())).rejects.toMatchObject({
    code: "docker",
    message: `Docker stopped answering in the middle of the pull of r.example/team/web@${DIGEST}`,
  });
});

test("something that is not progress is a failure", async () => {
  await using fake = fakeEngine(() => new Response("<html>\n"));
  await expect(pullImage(createTransport(fake.host), clock, pull())).rejects.toThrow("cannot be understood");
});

test("a pull without news is given up, one that only repeats itself too", async () => {
  const line = `${JSON.stringify({ status: "Downloading", progressDetail: { current: 5, total: 9 }, id: "a" })}\n`;
  await using silent = fakeEngine(() => pieces([line], "hang"));
  const expected = { code: "registry_unavailable", message: expect.stringContaining("made no progress for") };
  const idleDeadlineMs = 100;
  await expect(
    pullImage(createTransport(silent.host), clock, pull({ idleDeadlineMs })),
  ).rejects.toMatchObject(expected);

  await using repeating = fakeEngine(() =>
    pieces(
      Array.from({ length: 200 }, () => line),
      "hang",
    ),
  );
  const begun = Date.now();
  await expect(
    pullImage(createTransport(repeating.host), clock, pull({ idleDeadlineMs })),
  ).rejects.toMatchObject(expected);
  expect(Date.now() - begun).toBeLessThan(900);
});

test("a registry that keeps Docker waiting before the first line is unavailable, not Docker", async () => {
  await using fake = fakeEngine(() => new Promise<Response>(() => undefined));
  const pulling = pullImage(createTransport(fake.host), clock, pull({ idleDeadlineMs: 50 }));
  await expect(pulling).rejects.toMatchObject({ code: "registry_unavailable" });
});

test("what the progress throws ends the pull and closes the connection, so that Docker stops it", async () => {
  const closed = Promise.withResolvers<void>();
  await using fake = fakeEngine((request) => {
    request.signal.addEventListener("abort", () => closed.resolve());
    return pieces([TEXT.slice(0, 700)], "hang");
  });
  const full = new DeployerError("disk_full", "no room");
  const progress = () => {
    throw full;
  };
  await expect(pullImage(createTransport(fake.host), clock, pull({ progress }))).rejects.toBe(full);
  await closed.promise;
});

test("another platform than the engine's is asked for by its name", async () => {
  await using fake = fakeEngine(() => new Response(TEXT));
  await pullImage(createTransport(fake.host), clock, pull({ platform: "linux/arm64" }));
  expect(fake.requests[1]).toEndWith(`tag=${DIGEST}&platform=linux/arm64`);
});

test("what is unpacked is told apart from what is downloaded", async () => {
  const lines = [
    { status: "Downloading", progressDetail: { current: 100, total: 1000 }, id: "a" },
    { status: "Downloading", progressDetail: { current: 200, total: 2000 }, id: "b" },
    { status: "Download complete", progressDetail: {}, id: "a" },
    { status: "Extracting", progressDetail: { current: 400, total: 1000 }, id: "a" },
    { status: "Extracting", progressDetail: { current: 1, units: "s" }, id: "b" },
    { status: "Pull complete", progressDetail: {}, id: "a" },
  ];
  const text = [...lines, ...STREAM.slice(-1)].map((line) => `${JSON.stringify(line)}\n`).join("");
  await using fake = fakeEngine(() => new Response(text));
  const seen: string[] = [];
  let now = 0;
  const slow: Clock = { now: () => (now += 1000), sleep: () => Promise.resolve() };
  await pullImage(
    createTransport(fake.host),
    slow,
    pull({
      progress: (each) => seen.push(`${each.downloadedBytes} ${each.unpackedBytes} ${each.totalBytes}`),
    }),
  );
  expect(seen).toEqual([
    "100 0 1000",
    "300 0 3000",
    "1200 0 3000",
    "1200 400 3000",
    "3000 2400 3000",
    "3000 3000 3000",
    "3000 3000 3000",
    "3000 3000 3000",
  ]);
});

test("a slow pull with news is not given up", async () => {
  const lines = Array.from(
    { length: 40 },
    (_, index) =>
      `${JSON.stringify({ status: "Downloading", progressDetail: { current: index, total: 40 }, id: "a" })}\n`,
  );
  await using fake = fakeEngine(() => pieces([...lines, TEXT]));
  await pullImage(createTransport(fake.host), clock, pull({ idleDeadlineMs: 100 }));
  expect(fake.requests).toHaveLength(2);
});

test("aborting closes the connection, so that Docker stops the pull, and throws the signal's reason", async () => {
  const closed = Promise.withResolvers<void>();
  await using fake = fakeEngine((request) => {
    request.signal.addEventListener("abort", () => closed.resolve());
    return pieces([TEXT.slice(0, 200)], "hang");
  });
  const controller = new AbortController();
  const reason = new Error("stopped");
  setTimeout(() => controller.abort(reason), 50);
  await expect(
    pullImage(createTransport(fake.host), clock, pull({ signal: controller.signal })),
  ).rejects.toBe(reason);
  await closed.promise;
});
