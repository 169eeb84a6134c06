import { z } from "zod";

import type { DockerClient } from "./docker-client.ts";

export type PullResult = {
  /** HTTP status of the Engine API. */
  status: number;
  /** What went wrong, whether it was the reply or came in the middle of its stream; undefined: pulled. */
  error: string | undefined;
};

const Line = z.object({ message: z.string().optional(), error: z.string().optional() });

/** `POST /images/create` as the Engine API has it; `tag` may be a digest. `password` is AWS's. */
export async function enginePull(
  docker: DockerClient,
  repository: string,
  tag: string,
  password?: string,
): Promise<PullResult> {
  const query = new URLSearchParams({ fromImage: repository, tag });
  const headers = password === undefined ? {} : { "X-Registry-Auth": registryAuth(password) };
  const reply = await docker.api(`/images/create?${query.toString()}`, { method: "POST", headers });
  return { status: reply.status, error: firstError(await reply.text()) };
}

/** `GET /distribution/<image>/json`: asks the registry, pulls nothing. */
export async function engineLookUp(
  docker: DockerClient,
  image: string,
  password?: string,
): Promise<PullResult> {
  const headers = password === undefined ? {} : { "X-Registry-Auth": registryAuth(password) };
  const reply = await docker.api(`/distribution/${image}/json`, { headers });
  return { status: reply.status, error: firstError(await reply.text()) };
}

function firstError(text: string): string | undefined {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => Line.parse(JSON.parse(line)))
    .map((line) => line.error ?? line.message)
    .find((error) => error !== undefined);
}

/** Base64url with padding: without it dockerd 20.10 ignores the header. */
function registryAuth(password: string): string {
  const text = Buffer.from(JSON.stringify({ username: "AWS", password })).toString("base64url");
  return text + "=".repeat(-text.length & 3);
}
