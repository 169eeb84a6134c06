import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { endProcess, startTied } from "../../test/support/tied-process.ts";

/** Debian's nginx on this host, in front of the containers that its file names. */
export type Nginx = {
  /** Writes the file anew and reloads it, as `nginx -s reload` does: it does not wait. */
  reload(addresses: readonly string[]): void;
  [Symbol.asyncDispose](): Promise<void>;
};

const READY_MS = 300;

/** @param port of this host; @param addresses of containers that listen on 8080 */
export async function startNginx(port: number, addresses: readonly string[]): Promise<Nginx> {
  const dir = mkdtempSync(join(tmpdir(), "dstest-nginx-"));
  const file = join(dir, "nginx.conf");
  const log = join(dir, "log");
  mkdirSync(join(dir, "temp"));
  writeFileSync(file, config(dir, port, addresses));
  const child = startTied(["nginx", "-e", log, "-p", dir, "-c", file], { log });
  await Bun.sleep(READY_MS);
  if (child.exitCode !== null) throw new Error(`nginx ended: ${readFileSync(log, "utf8")}`);
  return {
    reload(next) {
      writeFileSync(file, config(dir, port, next));
      child.kill("SIGHUP");
    },
    async [Symbol.asyncDispose]() {
      await endProcess(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** What every guide has, with nginx's own defaults for everything else. */
function config(dir: string, port: number, addresses: readonly string[]): string {
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `  ${name}_temp_path ${dir}/temp/${name};`,
  );
  return `user root;
daemon off;
pid ${dir}/nginx.pid;
worker_processes auto;
events { worker_connections 1024; }
http {
  access_log off;
${temp.join("\n")}
  upstream web {
${addresses.map((address) => `    server ${address}:8080;`).join("\n")}
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://web;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
    }
  }
}
`;
}
