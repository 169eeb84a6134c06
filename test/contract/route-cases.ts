import { expect } from "bun:test";

import type { RawReply } from "../support/raw-http.ts";
import { type Again, type HttpCases, valid } from "./http-case.ts";
import type { HttpWorld } from "./http-world.ts";
import { cell, quoted, type Row } from "./table.ts";

/** Rows about paths and methods. */
export const ROUTE_CASES: HttpCases = {
  plain: { after: configHasTheOriginalsKeys },
  root: {},
  "unknown path POST": {},
  "non-debug: POST /logout": {},
  "non-debug: GET /logout": {},
  "non-debug: POST /logout with valid token": { authorization: valid },
  "debug: POST /logout": { debug: true },
  "debug: GET /logout": { debug: true },
  "GET /deploy without auth": { authorization: () => undefined },
  "GET /deploy with valid token and valid body (deploys!)": { authorization: valid },
  "PUT /deploy valid token and body": { authorization: valid },
  "X-Forwarded-For set (only log)": {
    headers: [["X-Forwarded-For", "203.0.113.9"]],
    async after({ daemon }, { headers }) {
      const id = headers.get("X-Request-Id");
      const line = await daemon.waitForLog(({ fields }) => id !== null && fields?.["request_id"] === id);
      expect(line.fields?.["remote"]).toContain("127.0.0.1");
    },
  },
};

async function configHasTheOriginalsKeys(
  { daemon, debugDaemon }: HttpWorld,
  _: RawReply,
  again: Again,
  row: Row,
): Promise<void> {
  if (cell(row, "request") !== "`GET /config`") return;
  const [body = ""] = quoted(cell(row, "body"));
  const original = JSON.parse(JSON.parse(body) as string) as Record<string, unknown>;
  const askers = [
    { asked: daemon, isDebug: false, reply: await again({ authorization: valid }) },
    { asked: debugDaemon, isDebug: true, reply: await again({ debug: true }) },
  ];
  for (const { asked, isDebug, reply } of askers) {
    const expected = {
      ...original,
      port: String(asked.port),
      debug_mode: isDebug,
      aws_region: asked.env["AWS_REGION"],
      ecr_domain: asked.env["ECR_DOMAIN"],
      docker_compose_file: asked.env["DOCKER_COMPOSE_FILE"],
      jwt_public_key_path: asked.env["JWT_PUBLIC_KEY_PATH"],
    };
    expect([reply.status, reply.text]).toEqual([200, `${JSON.stringify(expected)}\n`]);
  }
}
