import { requestHash } from "../../src/tokens/request-hash.ts";
import type { Daemon, Reply } from "./daemon.ts";
import { JOB } from "./github-claims.ts";
import type { OidcIssuer, TokenOptions } from "./oidc-issuer.ts";

/** What the daemons of the tests are called by tokens for them. */
export const AUDIENCE = "https://deploy.example.com";

/**
 * A rules file for the stand-in of GitHub's issuer: its usual job may do what `grants` say, each a rule of its own.
 * @param grants such as `deploy: [web]`, YAML without its braces
 */
export function githubRules({ url }: Pick<OidcIssuer, "url">, ...grants: string[]): string {
  const { repository, repositoryId, ownerId, ref } = JOB;
  const conditions = `repository: ${repository}, repository_id: "${repositoryId}", repository_owner_id: "${ownerId}", ref: ${ref}`;
  const rules = grants.map((grant) => `      - { ${conditions}, ${grant} }\n`).join("");
  return `issuers:\n  - name: github\n    issuer: ${url}\n    audience: ${AUDIENCE}\n    rules:\n${rules}`;
}

/** Sends a request with a token of the issuer that is good for this one only. */
export function askWith(
  issuer: OidcIssuer,
  daemon: Pick<Daemon, "request">,
  [method, path, body]: [method: string, path: string, body?: object],
  options: TokenOptions & { headers?: Record<string, string> } = {},
): Promise<Reply> {
  const text = body === undefined ? "" : JSON.stringify(body);
  const audience = method === "POST" ? `${AUDIENCE}#sha256=${requestHash(method, path, text)}` : AUDIENCE;
  const token = issuer.token({ audience, ...options });
  return daemon.request(method, path, {
    headers: { Authorization: `Bearer ${token}`, ...options.headers },
    ...(body === undefined ? {} : { body: text }),
  });
}
