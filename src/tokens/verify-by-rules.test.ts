import { beforeEach, describe, expect, test } from "bun:test";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fakeLog } from "../../test/fakes/log.ts";
import { claimsOf, type GithubClaims, type GithubJob, JOB } from "../../test/support/github-claims.ts";
import { newOidcKey, type OidcKey, signJwt } from "../../test/support/oidc-issuer.ts";
import { DeployerError } from "../core/errors.ts";
import { readRules } from "../rules/read.ts";
import { createIssuerKeys } from "./issuers.ts";
import { forge, newKeyPair, publicPem } from "./test-keys.ts";
import { createRuledVerifier } from "./verify-by-rules.ts";

const URL = "https://token.actions.githubusercontent.com";
const AUDIENCE = "https://deploy.example.com";
const HASH = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg";
const NOW = Date.parse("2026-11-23T12:00:00Z");
const IAT = NOW / 1000 - 5;

const key = newOidcKey("11111111-1111-4111-8111-111111111111");
const other = newOidcKey("22222222-2222-4222-8222-222222222222");
const ci = newKeyPair("RS256");
const folder = mkdtempSync(join(tmpdir(), "verify-by-rules-"));
writeFileSync(join(folder, "ci.pem"), publicPem(ci));

const RULES = `issuers:
  - name: github
    issuer: ${URL}
    audience: ${AUDIENCE}
    rules:
      - repository: acme/shop
        repository_id: "74612345"
        repository_owner_id: "65123"
        ref: [refs/heads/main, "refs/heads/release-*", "refs/tags/v*"]
        ref_protected: "true"
        workflow_ref: acme/shop/.github/workflows/deploy.yml@refs/heads/main
        deploy: [web, worker]
      - repository_id: "74612345"
        repository_owner_id: "65123"
        environment: production
        job_workflow_ref: acme/shared/.github/workflows/release.yml@refs/heads/main
        workflow_sha: 0d8f7b0e7c3a41c7a7a2b9a4fbd7f4c0e1a2b3c4
        job_workflow_sha: 0d8f7b0e7c3a41c7a7a2b9a4fbd7f4c0e1a2b3c4
        runner_environment: [github-hosted, self-hosted]
        event_name: schedule
        rollback: [web]
  - name: ci
    public_key: ${join(folder, "ci.pem")}
    rules: [{ deploy: [web] }, { read: all, logs: true }]
`;

let published: object[];
let fetches: number;
let log: ReturnType<typeof fakeLog>;
let verify: ReturnType<typeof createRuledVerifier>;

beforeEach(() => {
  published = [key.jwk];
  fetches = 0;
  log = fakeLog();
  verify = verifier();
});

function verifier(rules = RULES, now = NOW, strict = false) {
  const fetch = async (url: string) => {
    fetches += 1;
    return url === `${URL}/.well-known/jwks`
      ? Response.json({ keys: published })
      : new Response(null, { status: 404 });
  };
  const keys = createIssuerKeys(log, { fetch });
  const issuers = readRules("rules.yml", rules, (path) => keys.files(path).keys());
  return createRuledVerifier({
    issuers: () => issuers,
    claimRules: { maxLifetimeSeconds: 3600, strict },
    keys,
    log,
    now: () => now,
  });
}

type Changes = {
  claims?: GithubClaims;
  job?: Partial<GithubJob>;
  header?: Record<string, unknown>;
  key?: OidcKey;
};

const BOUND = `${AUDIENCE}#sha256=${HASH}`;

function claims({ job, claims: changed }: Changes = {}): GithubClaims {
  const times = { iat: IAT, nbf: IAT - 300, exp: IAT + 300 };
  return { jti: "j1", iss: URL, aud: BOUND, ...times, ...claimsOf({ ...JOB, ...job }), ...changed };
}

function token(changes: Changes = {}): string {
  return signJwt(changes.key ?? key, claims(changes), changes.header);
}

async function refusal(text: string): Promise<{ code: string; message: string }> {
  const error = await verify(text).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof DeployerError)) throw new Error("it was accepted");
  return { code: error.code, message: error.message };
}

describe("a token of the issuer", () => {
  test("is good for the one request that its audience names", async () => {
    expect(await verify(token())).toEqual({
      issuer: "github",
      may: [expect.objectContaining({ deploy: new Set(["web", "worker"]), logs: false })],
      repository: JOB.repositoryId,
      token: {
        id: "j1",
        request: HASH,
        needs: { id: true, request: true },
        expiresAt: (IAT + 300) * 1000,
      },
    });
  });

  test("is good whatever the form of its sub, which is only said in the log", async () => {
    for (const sub of [claimsOf(JOB, "ids")["sub"], "repo:acme/shop:environment:x", "whatever"])
      expect((await verify(token({ claims: { sub } }))).issuer).toBe("github");
    expect(log.lines).toContainEqual({
      level: "info",
      message: "identity accepted",
      fields: expect.objectContaining({ issuer: "github", sub: "whatever", repository: "acme/shop" }),
    });
  });

  test("that lives six hours is good for ten minutes", async () => {
    const { token: use } = await verify(token({ claims: { exp: IAT + 21_600 } }));
    expect(use?.expiresAt).toBe((IAT + 600) * 1000);
  });

  test("has no request to be good for when its audience is the plain one", async () => {
    const { token: use } = await verify(token({ claims: { aud: AUDIENCE } }));
    expect(use).toMatchObject({ request: undefined, needs: { id: true, request: true } });
    const optional = RULES.replace("rules:", "bind: optional\n    rules:");
    for (const isStrict of [false, true]) {
      const { token: use } = await verifier(optional, NOW, isStrict)(token({ claims: { aud: [AUDIENCE] } }));
      expect(use?.needs).toEqual({ id: true, request: isStrict });
    }
  });

  test("may do what all rules together let it that fit its claims", async () => {
    const both = RULES.replaceAll("event_name: schedule", "event_name: [push, schedule]");
    const job = { environment: "production" };
    const job_workflow_ref = "acme/shared/.github/workflows/release.yml@refs/heads/main";
    const { may } = await verifier(both)(token({ job, claims: { job_workflow_ref } }));
    expect(may.map(({ deploy, rollback }) => [deploy, rollback])).toEqual([
      [new Set(["web", "worker"]), new Set()],
      [new Set(), new Set(["web"])],
    ]);
  });

  test("of a repository that was renamed is good, and warned of once for each name", async () => {
    const renamed = { claims: { repository: "acme/store" } };
    await verify(token(renamed));
    await verify(token(renamed));
    expect(log.lines.filter(({ level }) => level === "warn")).toEqual([
      {
        level: "warn",
        message: "the repository has another name than its rule says",
        fields: { rule: "rules.yml:6", repository: "acme/shop", found: "acme/store" },
      },
    ]);
  });
});

/** A row for each check of a token: what it is, what refuses it, and how. */
const UNAUTHORIZED: [what: string, token: () => string, cause: RegExp][] = [
  ["longer than 8 KB", () => token({ claims: { x: "x".repeat(8192) } }), /longer than 8192/],
  ["of two parts", () => token().split(".").slice(0, 2).join("."), /number of segments/],
  ["of four parts", () => `${token()}.AAAA`, /number of segments/],
  ["with crit", () => token({ header: { crit: ["exp"] } }), /"crit"/],
  ["with jku", () => token({ header: { jku: `${URL}/.well-known/jwks` } }), /"jku"/],
  ["with x5u", () => token({ header: { x5u: URL } }), /"x5u"/],
  ["with x5c", () => token({ header: { x5c: [] } }), /"x5c"/],
  ["with an embedded key", () => token({ header: { jwk: other.jwk }, key: other }), /"jwk"/],
  ["without typ", () => token({ header: { typ: undefined } }), /typ is not JWT/],
  ["of another typ", () => token({ header: { typ: "at+jwt" } }), /typ is not JWT/],
  ["with alg none", () => token({ header: { alg: "none" } }), /"none" is invalid/],
  ["with alg RS512", () => token({ header: { alg: "RS512" } }), /"RS512" is invalid/],
  ["signed with HMAC by the public key", () => hmac(), /"HS256" is invalid/],
  ["without kid", () => token({ header: { kid: undefined } }), /no kid/],
  ["with an empty kid", () => token({ header: { kid: "" } }), /no kid/],
  ["with a kid that is no text", () => token({ header: { kid: [key.kid] } }), /no kid/],
  ["with a kid nobody has", () => token({ key: other }), /no key "22222222/],
  ["signed by another under a known kid", () => token({ key: { ...other, kid: key.kid } }), /signature/],
  ["with changed claims", () => changed(), /signature/],
  [
    "signed by the key of another issuer",
    () => forge(ci, { alg: "RS256", typ: "JWT", kid: key.kid }, claims()),
    /signature/,
  ],

  ["of an issuer with a slash more", () => token({ claims: { iss: `${URL}/` } }), /signature/],
  ["of an issuer that begins like ours", () => token({ claims: { iss: `${URL}.example.com` } }), /signature/],
  ["of an enterprise's own issuer", () => token({ claims: { iss: `${URL}/acme` } }), /signature/],
  ["without an issuer", () => token({ claims: { iss: undefined } }), /signature/],

  ["without an audience", () => token({ claims: { aud: undefined } }), /claim aud/],
  [
    "for GitHub's default audience",
    () => token({ claims: { aud: "https://github.com/acme" } }),
    /audience is "https:\/\/github.com\/acme"/,
  ],
  [
    "for an audience that begins like ours",
    () => token({ claims: { aud: `${AUDIENCE}.example.com` } }),
    /audience is/,
  ],
  ["for an audience with a slash more", () => token({ claims: { aud: `${AUDIENCE}/` } }), /audience is/],
  ["for two audiences", () => token({ claims: { aud: [BOUND, "https://other.example.com"] } }), /claim aud/],
  ["for no audience of a list", () => token({ claims: { aud: [] } }), /claim aud/],
  ["for a number", () => token({ claims: { aud: 1 } }), /claim aud/],
  ["bound by half a hash", () => token({ claims: { aud: BOUND.slice(0, -1) } }), /audience is/],
  [
    "bound by another hash function",
    () => token({ claims: { aud: BOUND.replace("sha256", "sha1") } }),
    /audience is/,
  ],
  ["bound twice", () => token({ claims: { aud: `${BOUND}#sha256=${HASH}` } }), /audience is/],

  ["without exp", () => token({ claims: { exp: undefined } }), /claim exp/],
  ["without nbf", () => token({ claims: { nbf: undefined } }), /claim nbf/],
  ["without iat", () => token({ claims: { iat: undefined } }), /claim iat/],
  ["with exp as a text", () => token({ claims: { exp: String(IAT + 300) } }), /claim exp/],
  ["with iat as a text", () => token({ claims: { iat: String(IAT) } }), /claim iat/],
  ["with nbf as a text", () => token({ claims: { nbf: String(IAT) } }), /claim nbf/],
  [
    "with exp beyond every number",
    () => signJwt(key, JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e999')),
    /claim exp/,
  ],
  ["that has expired", () => token({ claims: { iat: IAT - 300, exp: NOW / 1000 } }), /expired/],
  [
    "that expires before it is issued",
    () => token({ claims: { iat: IAT + 30, exp: IAT + 20 } }),
    /not after iat/,
  ],
  ["that is valid in 61 s", () => token({ claims: { nbf: NOW / 1000 + 61 } }), /not valid yet/],
  [
    "that is issued in 61 s",
    () => token({ claims: { iat: NOW / 1000 + 61, exp: NOW / 1000 + 300 } }),
    /issued ahead/,
  ],
  [
    "that is ten minutes old and lives six hours",
    () => token({ claims: { iat: NOW / 1000 - 600, exp: IAT + 21_600 } }),
    /too old/,
  ],
  ["without jti", () => token({ claims: { jti: undefined } }), /claim jti/],
  ["with an empty jti", () => token({ claims: { jti: "" } }), /claim jti/],
  ["with a jti that is a number", () => token({ claims: { jti: 7 } }), /claim jti/],
  ["with a claim twice", () => twice("repository_id", "1"), /has "repository_id" twice in its claims/],
  [
    "with a claim twice, once in other letters",
    () => twice("repositor\\u0079_id", "1"),
    /has "repository_id" twice in its claims/,
  ],
];

test.each(UNAUTHORIZED)("a token %s is not accepted", async (_, make, cause) => {
  expect(await refusal(make())).toEqual({ code: "unauthorized", message: expect.stringMatching(cause) });
});

/** What a good token of GitHub's is refused for: no rule is for it. */
const FORBIDDEN: [what: string, changes: Changes, cause: RegExp][] = [
  ["another repository", { job: { repositoryId: "74612346" } }, /repository_id is "74612346", not 74612345/],
  ["a new repository of the old name", { job: { repositoryId: "9" } }, /repository_id is "9"/],
  [
    "a fork",
    { job: { repository: "mallory/shop", repositoryId: "8", ownerId: "7" } },
    /repository_id is "8"/,
  ],
  [
    "the repository after it was given to another owner",
    { job: { ownerId: "9" } },
    /repository_owner_id is "9"/,
  ],
  [
    "a repository of the same owner",
    { job: { repository: "acme/toys", repositoryId: "5" } },
    /repository_id/,
  ],
  ["an id that only begins like ours", { job: { repositoryId: "746123456" } }, /repository_id/],
  ["an id as a number", { claims: { repository_id: 74612345 } }, /repository_id is missing, or not a text/],
  ["an id in a list", { claims: { repository_id: ["74612345"] } }, /repository_id is missing, or not a text/],
  ["no repository_id", { claims: { repository_id: undefined } }, /repository_id is missing/],
  [
    "no repository_owner_id",
    { claims: { repository_owner_id: undefined } },
    /repository_owner_id is missing/,
  ],
  [
    "another branch",
    { job: { ref: "refs/heads/topic" } },
    /ref is "refs\/heads\/topic", not refs\/heads\/main or/,
  ],
  ["a branch that begins like ours", { job: { ref: "refs/heads/main2" } }, /claim ref is/],
  ["a branch that ends like ours", { job: { ref: "refs/heads/x/refs/heads/main" } }, /claim ref is/],
  ["a branch of the pattern, and a slash", { job: { ref: "refs/heads/release-1/x" } }, /claim ref is/],
  ["a tag called like a branch", { job: { ref: "refs/tags/main" } }, /claim ref is/],
  ["the short name of the branch", { job: { ref: "main" } }, /claim ref is/],
  ["another case", { job: { ref: "refs/heads/Main" } }, /claim ref is/],
  ["no ref", { claims: { ref: undefined } }, /claim ref is missing/],
  [
    "a tag that says it is something else",
    { claims: { ref_type: "repository" } },
    /ref_type is "repository"/,
  ],
  ["no ref_type", { claims: { ref_type: undefined } }, /ref_type is missing/],
  ["a branch that is not protected", { claims: { ref_protected: "false" } }, /ref_protected is "false"/],
  [
    "a branch that is protected by a truth value",
    { claims: { ref_protected: true } },
    /ref_protected is missing, or/,
  ],
  ["a pull request", { job: { event: "pull_request", ref: "refs/pull/7/merge" } }, /claim ref is/],
  ["a pull request for the branch", { job: { event: "pull_request" } }, /event_name is "pull_request"/],
  ["pull_request_target", { job: { event: "pull_request_target" } }, /event_name is "pull_request_target"/],
  ["an event that is not listed", { job: { event: "issue_comment" } }, /event_name is "issue_comment"/],
  ["no event_name", { claims: { event_name: undefined } }, /event_name is missing/],
  ["another workflow", { job: { workflow: ".github/workflows/other.yml" } }, /workflow_ref is/],
  ["no workflow_ref", { claims: { workflow_ref: undefined } }, /workflow_ref is missing/],
  [
    "a runner of its own",
    { claims: { runner_environment: "self-hosted" } },
    /runner_environment is "self-hosted"/,
  ],
  ["no runner_environment", { claims: { runner_environment: undefined } }, /runner_environment is missing/],
];

test.each(FORBIDDEN)("a good token of %s may do nothing", async (_, changes, cause) => {
  expect(await refusal(token(changes))).toEqual({ code: "forbidden", message: expect.stringMatching(cause) });
});

/** The same for the rule that goes by environment: it fits the first row. */
const RELEASE = {
  job: { event: "schedule", ref: "refs/heads/any", environment: "production" },
  claims: {
    job_workflow_ref: "acme/shared/.github/workflows/release.yml@refs/heads/main",
    runner_environment: "self-hosted",
  },
};
const BY_ENVIRONMENT: [what: string, claims: GithubClaims, cause: RegExp | undefined][] = [
  ["as the rule says", {}, undefined],
  ["without environment", { environment: undefined }, /claim environment is missing/],
  ["in another environment", { environment: "staging" }, /environment is "staging"/],
  ["in an environment of another case", { environment: "Production" }, /environment is "Production"/],
  [
    "with the environment in sub only",
    { environment: undefined, sub: "repo:acme/shop:environment:production" },
    /claim environment is missing/,
  ],
  [
    "by another reusable workflow",
    { job_workflow_ref: "acme/shared/.github/workflows/other.yml@refs/heads/main" },
    /job_workflow_ref is/,
  ],
  [
    "by another version of the reusable workflow",
    { job_workflow_ref: "acme/shared/.github/workflows/release.yml@refs/heads/x" },
    /job_workflow_ref is/,
  ],
  ["by another commit of the workflow", { workflow_sha: "f".repeat(40) }, /claim workflow_sha is/],
  ["by another commit of the reusable workflow", { job_workflow_sha: "f".repeat(40) }, /job_workflow_sha is/],
  ["without job_workflow_ref", { job_workflow_ref: undefined }, /job_workflow_ref is missing/],
];
test.each(BY_ENVIRONMENT)("a job %s", async (_, changed, cause) => {
  const text = token({ job: RELEASE.job, claims: { ...RELEASE.claims, ...changed } });
  if (cause === undefined) expect((await verify(text)).may).toMatchObject([{ rollback: new Set(["web"]) }]);
  else expect(await refusal(text)).toEqual({ code: "forbidden", message: expect.stringMatching(cause) });
});

describe("clocks that differ", () => {
  const at = (seconds: number) => verifier(RULES, NOW + seconds * 1000)(token());
  test("by a minute, ours behind, do no harm", async () => {
    expect((await at(-60)).issuer).toBe("github");
  });
  test.each([-66, 296, 600])("by %p s do", async (seconds) => {
    await expect(at(seconds)).rejects.toMatchObject({ code: "unauthorized" });
  });
});

describe("the key set", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ec = { ...publicKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: key.kid };
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const accepted: [what: string, keys: () => object[]][] = [
    ["a key without alg", () => [{ ...key.jwk, alg: undefined }]],
    ["an EC key with the same kid", () => [ec, key.jwk]],
    ["two RSA keys of one kid", () => [{ ...other.jwk, kid: key.kid }, key.jwk]],
  ];
  test.each(accepted)("%s does not keep a good token out", async (_, keys) => {
    published = keys();
    expect((await verify(token())).issuer).toBe("github");
  });

  const refused: [what: string, keys: () => object[], by?: OidcKey][] = [
    ["a key for encryption", () => [{ ...key.jwk, use: "enc" }]],
    ["a key for nothing in particular", () => [{ ...key.jwk, use: undefined }]],
    ["a key for RS512", () => [{ ...key.jwk, alg: "RS512" }]],
    ["an EC key alone", () => [ec]],
    ["the numbers of an RSA key under another kind", () => [{ ...key.jwk, kty: "oct" }]],
    ["a key without kid", () => [{ ...key.jwk, kid: undefined }]],
    ["no key", () => []],
    [
      "a key of 1024 bits",
      () => [{ ...short.publicKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "short" }],
      { kid: "short", privateKey: short.privateKey, jwk: {} },
    ],
  ];
  test.each(refused)("%s signs nothing", async (_, keys, by = key) => {
    published = keys();
    expect(await refusal(token({ key: by }))).toEqual({
      code: "unauthorized",
      message: expect.stringMatching(/has no key/),
    });
  });

  test("is fetched once for many tokens, and not at all for those of other issuers", async () => {
    await refusal(forge(ci, { alg: "RS256", typ: "JWT" }, { iss: "x", exp: 1 }));
    expect(fetches).toBe(0);
    await Promise.all(Array.from({ length: 20 }, () => verify(token())));
    expect(fetches).toBe(1);
  });
});

describe("a key of the rules", () => {
  const signed = (changed: object = {}) =>
    forge(ci, { alg: "RS256", typ: "JWT" }, { iss: "any", exp: NOW / 1000 + 300, ...changed });

  test("lets its bearer do what its issuer may, under the name of that", async () => {
    const { issuer, may } = await verify(signed());
    expect([issuer, may.map(({ deploy, read, logs }) => [deploy, read, logs])]).toEqual([
      "ci",
      [
        [new Set(["web"]), new Set(), false],
        [new Set(), "all", true],
      ],
    ]);
  });

  test("is nothing where no rule names it", async () => {
    const stranger = newKeyPair("RS256");
    expect(
      await refusal(forge(stranger, { alg: "RS256" }, { iss: "any", exp: NOW / 1000 + 300 })),
    ).toMatchObject({
      code: "unauthorized",
      message: "token signature is invalid",
    });
    verify = verifier(RULES.slice(0, RULES.indexOf("  - name: ci")));
    expect(await refusal(signed())).toMatchObject({
      code: "unauthorized",
      message: "its issuer is not one that the rules name",
    });
  });

  test("cannot speak for an identity issuer", async () => {
    expect((await refusal(signed({ iss: URL }))).code).toBe("unauthorized");
  });
});

function hmac(): string {
  const [, payload] = token().split(".");
  const input = `${Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT", kid: key.kid })).toString("base64url")}.${payload}`;
  const secret = JSON.stringify(key.jwk);
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

function changed(): string {
  const [header, , signature] = token().split(".");
  const payload = Buffer.from(JSON.stringify(claims({ job: { repositoryId: "1" } }))).toString("base64url");
  return `${header}.${payload}.${signature}`;
}

/** The last one, which JSON.parse takes, is the good one. */
function twice(name: string, value: string): string {
  return signJwt(key, `{"${name}":"${value}",${JSON.stringify(claims()).slice(1)}`);
}
