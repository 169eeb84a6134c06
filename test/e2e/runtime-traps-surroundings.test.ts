import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, test } from "bun:test";

import { launcher } from "../contract/launcher.ts";
import { startAlone } from "../contract/refused-start.ts";
import type { Daemon } from "../support/daemon.ts";
import { type Connection, connect } from "../support/raw-http.ts";
import { attempt, BASE_ENV, run } from "../support/run.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const RUN_DEADLINE = 20_000;
/** Each leaves a line in the log: more than a pipe holds. */
const REQUESTS = 2_000;
const PIPE_BYTES = 64 * 1024;
const NOWHERE = "/a-path-that-nobody-has";

const DOTENV = "JWT_ISSUERS=nobody\nBIND_ADDRESS=203.0.113.1\nDEPLOYER_TEST=1\n";
const DOTENV_FILES = [".env", ".env.local", ".env.production", ".env.development"];

test("settings and code in the working directory and in HOME are not looked at", async () => {
  await using folder = hostileFolder();
  await using daemon = await startAlone({
    cwd: folder.path,
    env: { HOME: folder.path, XDG_CONFIG_HOME: folder.path },
  });
  const headers = { Authorization: `Bearer ${await daemon.token()}` };
  expect((await daemon.request("GET", "/config", { headers })).status).toBe(200);
  const environ = readFileSync(`/proc/${daemon.pid}/environ`, "utf8");
  expect(environ).not.toContain("DEPLOYER_TEST");
  expect(existsSync(folder.marker)).toBe(false);
  expect(daemon.noise()).toBe("");
});

test("no command runs code of the working directory", async () => {
  await using folder = hostileFolder();
  for (const args of [
    ["version"],
    ["--help"],
    ["jwt", "version"],
    ["jwt", "sign"],
    ["check"],
    ["run", "evil.ts"],
  ]) {
    const result = await attempt([stage().binary, ...args], { cwd: folder.path, env: BASE_ENV });
    expect(result.stdout + result.stderr).not.toContain("evil");
  }
  expect(existsSync(folder.marker)).toBe(false);
});

test("the files that a runtime would read there are not even opened", async () => {
  const path = mkdtempSync(join(tmpdir(), "dstest-fifo-"));
  try {
    const names = [...DOTENV_FILES, "bunfig.toml", ".bunfig.toml", "package.json", "tsconfig.json"];
    // Whoever opens one of these waits for a writer who never comes.
    await run(["mkfifo", ...names.map((name) => join(path, name))]);
    await using daemon = await startAlone({ cwd: path });
    expect((await daemon.request("GET", "/health")).status).toBe(200);
    const version = await run([stage().binary, "version"], {
      cwd: path,
      env: BASE_ENV,
      deadline: RUN_DEADLINE,
    });
    expect(version.stdout).toBe("v1.2.3\n");
  } finally {
    rmSync(path, { recursive: true });
  }
});

test("NODE_OPTIONS loads nothing", async () => {
  await using folder = hostileFolder();
  const env = { ...BASE_ENV, NODE_OPTIONS: `--require ${folder.path}/evil.ts` };
  const result = await run([stage().binary, "version"], { cwd: folder.path, env });
  expect(result).toEqual({ exitCode: 0, stdout: "v1.2.3\n", stderr: "" });
  expect(existsSync(folder.marker)).toBe(false);
});

test("without HOME, in a folder that is gone, it starts and says its version", async () => {
  const path = mkdtempSync(join(tmpdir(), "dstest-gone-"));
  const result = await run(["sh", "-c", `rmdir "${path}" && exec "${stage().binary}" version`], {
    cwd: path,
    env: {},
  });
  expect(result.stdout).toBe("v1.2.3\n");
});

test.each(["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGWINCH"] as const)(
  "%s does not end the daemon",
  async (signal) => {
    await using daemon = await startAlone();
    process.kill(daemon.pid, signal);
    expect((await daemon.request("GET", "/health")).status).toBe(200);
    expect(await daemon.stop()).toBe(0);
  },
);

test.each(["SIGTERM", "SIGINT"] as const)("%s ends it with 0 and leaves the port free", async (signal) => {
  await using daemon = await startAlone();
  expect(await daemon.stop(signal)).toBe(0);
  expect(daemon.log().at(-1)?.message).toBe("stopped");
  await using again = await daemon.startAgain();
  expect((await again.request("GET", "/health")).status).toBe(200);
});

const NOBODY_READS = ">(exec setpriv --pdeathsig KILL sleep 600)";
const OUTPUTS: [what: string, redirect: string][] = [
  ["stdout nobody reads", `> ${NOBODY_READS}`],
  ["stdout the reader of which is gone", "> >(true)"],
  ["stdout that is full", "> /dev/full"],
  ["stdout that is closed", ">&-"],
];

test.each(OUTPUTS)("a %s costs the log, and nothing else", async (_, redirect) => {
  await using wrapper = launcher(`exec "$PROGRAM" ${redirect}`);
  await using daemon = await startAlone({ binary: wrapper.path, env: { PROGRAM: stage().binary } });
  await sendLogged(daemon, REQUESTS);
  expect((await daemon.request("GET", "/health")).status).toBe(200);
  for (const name of readdirSync(daemon.stateDir)) {
    expect(readFileSync(join(daemon.stateDir, name)).includes(NOWHERE)).toBe(false);
  }
  expect(await daemon.stop()).toBe(0);
  await using again = await daemon.startAgain();
  expect((await again.request("GET", "/health")).status).toBe(200);
});

/** Takes what a pipe holds: whoever writes one byte more waits for ever. */
const FULL = `exec 3> ${NOBODY_READS}; dd if=/dev/zero of=/dev/fd/3 bs=4096 oflag=nonblock 2>/dev/null`;
/** The runtime has words of its own, on stderr, for a request that does not end; it gives one about 12 s. */
const UNENDING = [
  "POST /deploy HTTP/1.1\r\nHost: x\r\nX-Slow: ",
  "POST /deploy HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
];
const CUT_DEADLINE = 30_000;

test("a full stderr that nobody reads costs nothing, whatever the runtime has to say there", async () => {
  await using wrapper = launcher(`${FULL}; exec "$PROGRAM" 2>&3 3>&-`);
  await using daemon = await startAlone({ binary: wrapper.path, env: { PROGRAM: stage().binary } });
  const pipe = readlinkSync(`/proc/${daemon.pid}/fd/2`);
  expect(pipe).toStartWith("pipe:");
  await using stack = new AsyncDisposableStack();
  const connections: Connection[] = [];
  for (const bytes of [...UNENDING, "no HTTP at all\r\n\r\n"]) {
    const connection = stack.use(await connect(daemon.port));
    connection.send(bytes);
    connections.push(connection);
  }
  await waitFor("the runtime to cut them", CUT_DEADLINE, () => connections.every((one) => one.isClosed()));
  await sendLogged(daemon, 100);
  expect((await daemon.request("GET", "/health")).status).toBe(200);
  expect(await daemon.stop()).toBe(0);
});

test("all of stdin, stdout and stderr closed: it serves", async () => {
  await using wrapper = launcher('exec "$PROGRAM" <&- >&- 2>&-');
  await using daemon = await startAlone({ binary: wrapper.path, env: { PROGRAM: stage().binary } });
  await sendLogged(daemon, 100);
  expect((await daemon.request("GET", "/health")).status).toBe(200);
});

test("the requests above are more than a pipe holds", async () => {
  await using daemon = await startAlone();
  await sendLogged(daemon, REQUESTS);
  await daemon.stop();
  const bytes = daemon.log().reduce((sum, line) => sum + JSON.stringify(line).length, 0);
  expect(bytes).toBeGreaterThan(4 * PIPE_BYTES);
});

/** Requests that leave a line each. */
async function sendLogged(daemon: Daemon, count: number): Promise<void> {
  const atOnce = 20;
  for (let sent = 0; sent < count; sent += atOnce) {
    const replies = await Promise.all(Array.from({ length: atOnce }, () => daemon.request("GET", NOWHERE)));
    for (const { status } of replies) expect(status).toBe(404);
  }
}

/** A folder with everything that a runtime may take for its own, each of which would change or run something. */
function hostileFolder(): AsyncDisposable & { path: string; marker: string } {
  const path = mkdtempSync(join(tmpdir(), "dstest-hostile-"));
  const marker = join(path, "marker");
  const files: Record<string, string> = {
    "evil.ts": `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "ran"); console.log("evil");\n`,
    "bunfig.toml": 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n',
    ".bunfig.toml": 'preload = ["./evil.ts"]\n',
    "package.json":
      '{"name":"evil","type":"module","imports":{"#x":"./evil.ts"},"scripts":{"version":"bun evil.ts"}}',
    "tsconfig.json": '{"compilerOptions":{"paths":{"hono":["./evil.ts"],"*":["./evil.ts"]}}}',
    "node_modules/@aws-sdk/client-ecr/index.js": "",
    "node_modules/hono/index.js": "",
  };
  files["node_modules/@aws-sdk/client-ecr/index.js"] = files["evil.ts"] ?? "";
  files["node_modules/hono/index.js"] = files["evil.ts"] ?? "";
  for (const name of DOTENV_FILES) files[name] = DOTENV;
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return { path, marker, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true }) };
}
