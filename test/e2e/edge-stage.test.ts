import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort } from "../support/free-port.ts";
import { publishHaproxy } from "../support/haproxy-image.ts";
import { stage } from "../support/stage.ts";
import { waitFor } from "../support/wait.ts";

const ANSWER_DEADLINE = 20_000;
/** Ports below 1024, another user, files of other users: all that HAProxy needs as root. */
const CAPABILITIES = ["NET_BIND_SERVICE", "SETUID", "SETGID", "CHOWN", "DAC_OVERRIDE"];

const { docker, registry } = stage();
const folder = mkdtempSync(join(tmpdir(), "dstest-edge-"));
const repository = `t${crypto.randomUUID().slice(0, 8)}/haproxy`;
const containers: string[] = [];

afterAll(async () => {
  await docker.tryDocker("rm", "--force", "--volumes", ...containers);
  rmSync(folder, { recursive: true });
});

test("HAProxy's image has version 3.0 with Lua, the official layout, and a digest of its own for each variant", async () => {
  const first = await publishHaproxy(registry, { repository, tag: "3.0" });
  const second = await publishHaproxy(registry, { repository, tag: "3.0", variant: "2" });
  expect((await publishHaproxy(registry, { repository, tag: "3.0" })).digest).toBe(first.digest);
  expect(second.digest).not.toBe(first.digest);
  expect(second.imageId).not.toBe(first.imageId);

  const version = (await docker.docker("run", "--rm", first.reference, "-vv")).stdout;
  expect(version).toMatch(/^HAProxy version 3\.0\.\d+/);
  expect(version).toContain("+LUA");
  expect(version).toContain("+OPENSSL");
  const { stdout } = await docker.docker("inspect", "--format", "{{json .Config}}", first.reference);
  expect(JSON.parse(stdout)).toMatchObject({ User: "99", StopSignal: "SIGUSR1" });
});

test("HAProxy serves in the host's network, as root with few capabilities, with a service in Lua, and ends on its stop signal", async () => {
  const { reference } = await publishHaproxy(registry, { repository, tag: "3.0" });
  const port = freePort();
  writeFileSync(join(folder, "haproxy.cfg"), configuration(port));
  writeFileSync(join(folder, "hello.lua"), SERVICE);
  const name = `edge-${crypto.randomUUID().slice(0, 8)}`;
  containers.push(name);
  const capabilities = CAPABILITIES.map((capability) => `--cap-add=${capability}`);
  // Not the image's entry point: a master (-W) that is root without CAP_KILL could not tell its worker, user 99, to stop.
  const command = ["--entrypoint=haproxy", reference, "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"];
  const options = ["--network=host", "--user=0", "--cap-drop=ALL", ...capabilities];
  const volume = `--volume=${folder}:/usr/local/etc/haproxy:ro`;
  await docker.docker("run", "--detach", "--name", name, ...options, volume, ...command);
  const answer = await waitFor("HAProxy to serve", ANSWER_DEADLINE, async () => {
    const reply = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
    return reply?.text();
  });
  expect(answer).toBe("hello from Lua 5.4");
  await docker.docker("stop", name);
  const { stdout } = await docker.docker("inspect", "--format", "{{.State.ExitCode}}", name);
  expect(stdout.trim()).toBe("0");
});

const SERVICE = `core.register_service("hello", "http", function(applet)
  local text = "hello from " .. _VERSION
  applet:set_status(200)
  applet:add_header("content-length", #text)
  applet:start_response()
  applet:send(text)
end)
`;

/** As root it makes its socket, which stays root's, then becomes user 99. */
function configuration(port: number): string {
  return `global
  lua-load /usr/local/etc/haproxy/hello.lua
  stats socket /tmp/admin.sock mode 600 level admin expose-fd listeners
  user haproxy
  group haproxy
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend web
  bind 127.0.0.1:${port}
  http-request use-service lua.hello
`;
}
