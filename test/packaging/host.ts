import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tool } from "./tool.ts";

tool("curl", "curl");

const UPGRADE = join(import.meta.dir, "../../bin/upgrade.sh");
const FAKE_DAEMON = Bun.fileURLToPath(import.meta.resolve("./fake-daemon.ts"));

export type Health = "healthy" | "unhealthy" | "dies";
export type Outcome = { exitCode: number; output: string };

/** The text of a program that calls itself `said` on the command line and answers `version` over HTTP. */
export function program(version: string, health: Health = "healthy", said = version): string {
  return `#!/bin/sh
[ "$1" = version ] && { echo "Version: ${said}"; exit 0; }
exec ${process.execPath} ${FAKE_DAEMON} ${version} ${health}
${"#".repeat(64 * 1024)}
`;
}

/** A host in a temporary folder: a program that runs, and a `systemctl` that knows how to restart it. */
export class Host implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "upgrade-"));
  readonly binary = join(this.folder, "deployer");
  readonly #bin = join(this.folder, "bin");
  readonly #port = freePort();
  readonly #url: string;

  /** @param tls the daemon's certificate and key, PEM: it then answers by HTTPS alone */
  constructor(text: string, tls?: { certificate: string; key: string }) {
    mkdirSync(this.#bin);
    this.#url = `${tls === undefined ? "http" : "https"}://127.0.0.1:${this.#port}`;
    const environment = [`PORT=${this.#port}`, ...(tls === undefined ? [] : this.#writeTls(tls))];
    this.#executable("systemctl", systemctl(this.folder, this.binary, environment.join(" ")));
    writeFileSync(this.binary, text);
    chmodSync(this.binary, 0o755);
    this.systemctl("restart");
  }

  /** What `upgrade.sh` prints and how it ends, run with `environment` on top of the minimum. */
  async upgrade(
    releases: string,
    args: string[] = [],
    environment: Record<string, string> = {},
  ): Promise<Outcome> {
    return this.run(["bash", UPGRADE, ...args], { DEPLOYER_RELEASES_URL: releases, ...environment });
  }

  async run(command: string[], environment: Record<string, string>): Promise<Outcome> {
    const child = Bun.spawn(command, {
      env: { PATH: `${this.#bin}:${process.env["PATH"]}`, DEPLOYER_HEALTH_SECONDS: "3", ...environment },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { exitCode: await child.exited, output: out + error };
  }

  systemctl(verb: "restart" | "stop"): void {
    Bun.spawnSync([join(this.#bin, "systemctl"), verb, "deployer"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
  }

  /** Puts a program of this name before the system's own. */
  replace(name: string, script: string): void {
    this.#executable(name, script);
  }

  /** Leaves only the named programs of the system reachable. */
  onlyPrograms(names: string[]): Record<string, string> {
    const only = join(this.folder, "only");
    mkdirSync(only);
    for (const name of names) symlinkSync(Bun.which(name) ?? name, join(only, name));
    return { PATH: only };
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), "utf8");
  }

  has(name: string): boolean {
    return existsSync(join(this.folder, name));
  }

  async runningVersion(): Promise<string> {
    const reply = await fetch(`${this.#url}/version`, {
      signal: AbortSignal.timeout(2000),
      tls: { rejectUnauthorized: false },
    });
    return (await reply.text()).trim();
  }

  [Symbol.dispose](): void {
    this.systemctl("stop");
    rmSync(this.folder, { recursive: true, force: true });
  }

  #writeTls({ certificate, key }: { certificate: string; key: string }): string[] {
    const [cert, secret] = [join(this.folder, "tls.crt"), join(this.folder, "tls.key")];
    writeFileSync(cert, certificate);
    writeFileSync(secret, key);
    return [`TLS_CERT_FILE=${cert}`, `TLS_KEY_FILE=${secret}`];
  }

  #executable(name: string, text: string): void {
    writeFileSync(join(this.#bin, name), text);
    chmodSync(join(this.#bin, name), 0o755);
  }
}

function systemctl(folder: string, binary: string, environment: string): string {
  return `#!/bin/bash
pid=$(cat ${folder}/pid 2>/dev/null)
echo "$*" >>${folder}/systemctl.log
stop() {
  [ -z "$pid" ] && return
  kill "$pid" 2>/dev/null
  # Nobody may reap it here: a process without a command line has ended.
  for _ in $(seq 100); do grep -q . "/proc/$pid/cmdline" 2>/dev/null || break; sleep 0.02; done
  rm -f ${folder}/pid
}
case "$1 $2 $3" in
"show -p ExecStart") echo "ExecStart={ path=${binary} ; argv[]=${binary} ; ignore_errors=no ; pid=0 }" ;;
"show -p MainPID") echo "MainPID=\${pid:-0}" ;;
restart*)
  stop
  cd /
  ${environment} setsid ${binary} </dev/null >${folder}/daemon.log 2>&1 &
  echo $! >${folder}/pid ;;
stop*) stop ;;
esac
`;
}

function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  if (port === undefined) throw new Error("no free port");
  return port;
}
