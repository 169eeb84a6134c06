import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { sha256Sums } from "./releases.ts";
import { tool } from "./tool.ts";

tool("curl", "curl");

export const COMPOSE = "the compose plugin";
export const RELEASE = {
  "deployer-service": "the x86-64 program",
  "deployer-service-linux-arm64": "the ARM program",
  "deployer-hardened.service": "[Unit]\n",
  "upgrade.sh": "#!/bin/bash\n",
};

/** An instance in a temporary folder, with GitHub and the metadata service on one loopback server. */
export class Instance implements AsyncDisposable {
  readonly downloads: string[] = [];
  sums = sha256Sums(RELEASE);
  readonly #root = mkdtempSync(join(tmpdir(), "instance-"));
  readonly #bin = join(this.#root, "bin");
  readonly #server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => this.#answer(request) });

  constructor() {
    mkdirSync(this.#bin);
    for (const name of [
      "bash",
      "cat",
      "curl",
      "grep",
      "install",
      "ln",
      "ls",
      "mktemp",
      "mv",
      "rm",
      "sed",
      "sha256sum",
    ]) {
      this.command(name, `exec ${Bun.which(name)} "$@"`);
    }
    this.command("uname", "echo x86_64");
    for (const name of ["yum", "systemctl", "useradd"]) this.command(name, this.#record(name));
    this.command("id", `${this.#record("id")}; exit 1`);
  }

  async run(script: string): Promise<{ exitCode: number; output: string }> {
    const at = `http://127.0.0.1:${this.#server.port}`;
    this.write("user_data.sh", script);
    const child = Bun.spawn([Bun.which("bash") ?? "bash", this.path("user_data.sh")], {
      env: { PATH: this.#bin, DEPLOYER_ROOT: this.#root, DEPLOYER_GITHUB: at, DEPLOYER_METADATA: at },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { exitCode: await child.exited, output: out + error };
  }

  command(name: string, script: string): void {
    writeFileSync(join(this.#bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(this.#bin, name), 0o755);
  }

  commands(): string[] {
    const log = this.path("commands.log");
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  }

  path(name: string): string {
    return join(this.#root, name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  mode(name: string): number {
    return statSync(this.path(name)).mode & 0o777;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    rmSync(this.#root, { recursive: true });
  }

  #record(name: string): string {
    return `echo "${name} $*" >>${this.path("commands.log")}`;
  }

  #answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (pathname === "/latest/api/token") return new Response(request.method === "PUT" ? "imds-token" : null);
    if (pathname === "/latest/dynamic/instance-identity/document") {
      const known = request.headers.get("X-aws-ec2-metadata-token") === "imds-token";
      const document = JSON.stringify({ accountId: "210987654321", region: "eu-central-1" }, null, 2);
      return new Response(document, { status: known ? 200 : 401 });
    }
    this.downloads.push(pathname);
    const file = pathname.split("/").at(-1) ?? "";
    if (pathname.startsWith("/docker/compose/releases/download/v2.40.3/")) return new Response(COMPOSE);
    const content =
      file === "SHA256SUMS" ? this.sums : Object.entries(RELEASE).find(([name]) => name === file)?.[1];
    if (!pathname.startsWith("/owner/name/releases/latest/download/") || content === undefined) {
      return new Response("not found", { status: 404 });
    }
    return new Response(content);
  }
}
