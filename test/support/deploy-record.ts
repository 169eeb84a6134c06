import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { LogLine } from "./daemon-log.ts";
import type { Daemon, Reply } from "./daemon.ts";
import type { Life } from "./observe.ts";
import { type Scene, type SceneOptions, startScene } from "./scene.ts";
import type { Aws } from "./stage.ts";

/** One deployment as the caller, the stand-ins and the log tell it. */
export type DeployRecord = {
  reply: Reply;
  /** Look-ups and pulls that Docker tried: each of them begins with one request to `/v2/` without a credential. */
  attempts: number;
  /** Calls of ECR's API. */
  logins: number;
  /** What the daemon logged from the request to the deployment's end. */
  log: LogLine[];
};

/** `web` alone, on version 1. */
export function startWeb(options: Partial<SceneOptions> = {}): Promise<Scene> {
  return startScene({ compose: webFile, ...options });
}

/** Publishes version 1 of `web`, and gives the compose file with it. */
export async function webFile(aws: Aws): Promise<string> {
  await aws.publish("web", "v1");
  return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    ports: ["127.0.0.1::8080"]\n`;
}

/** Deploys `image` as `web`. */
export async function recordDeploy(
  scene: Pick<Scene, "aws" | "daemon">,
  image: string,
): Promise<DeployRecord> {
  const { aws, daemon } = scene;
  const [requests, calls, lines] = [aws.registry.requests.length, aws.ecr.calls.length, daemon.log().length];
  const reply = await daemon.deploy({ service: "web", image });
  const deployment = reply.headers.get("deployer-deployment");
  await daemon.waitForLog(
    ({ message, fields }) => message === "deployment ended" && fields?.["deployment"] === deployment,
  );
  return {
    reply,
    attempts: aws.registry.requests.slice(requests).filter(isFirstOfACall).length,
    logins: aws.ecr.calls.length - calls,
    log: daemon.log().slice(lines),
  };
}

/** The messages of these lines about the registry, in order. */
export function registryMessages(log: readonly LogLine[]): string[] {
  return log.map(({ message }) => message).filter((message) => /^(pull|registry) /.test(message));
}

/** The pauses before the retries, in seconds. */
export function pauses(log: readonly LogLine[]): unknown[] {
  return log
    .filter(({ message }) => message === "pull failed; trying again")
    .map(({ fields }) => fields?.["retryInSeconds"]);
}

export function expectDeployed({ reply }: DeployRecord): void {
  expect([reply.status, reply.text]).toEqual([200, "deploy request successful for service web\n"]);
}

/** A 500 with this reason, and the word that `life` serves on. */
export function expectRefused({ reply }: DeployRecord, reason: string, life: Life): void {
  expect([reply.status, reply.text]).toEqual([
    500,
    `unable to update service\n${reason}\nwhat serves now: ${life.image} in container ${life.id.slice(0, 12)}\n`,
  ]);
}

/** No registry token, no JWT and no key in the log; nothing written to the docker CLI's configuration. */
export function expectDiscreet(daemon: Daemon, aws: Aws): void {
  const printed = JSON.stringify(daemon.log()) + daemon.noise();
  expect(aws.ecr.tokens.issued).not.toBeEmpty();
  for (const { password } of aws.ecr.tokens.issued) {
    expect(printed).not.toContain(password.slice(0, 40));
    expect(printed).not.toContain(Buffer.from(`AWS:${password}`).toString("base64").slice(0, 40));
  }
  expect(printed).not.toMatch(/eyJ[\w-]+\.|Basic [\w+/]+=|Bearer \S/);
  expect(printed).not.toContain(daemon.env["AWS_SECRET_ACCESS_KEY"] ?? "unset");
  expect(existsSync(join(daemon.env["HOME"] ?? "", ".docker"))).toBe(false);
}

function isFirstOfACall({ path, user }: { path: string; user: string | undefined }): boolean {
  return path === "/v2/" && user === undefined;
}
