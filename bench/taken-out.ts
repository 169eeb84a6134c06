import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * `bun bench/taken-out.ts`: takes each check of tokens, rules, permissions and repetitions out, one at a time, and runs the tests, which
 * must fail; into bench/results/taken-out.md. A check that is written differently now has to be named anew here.
 */

type Check = { what: string; file: string; code: string; instead: string };

const ROOT = join(import.meta.dir, "..");
const TESTS = [
  "src/tokens/verify-by-rules.test.ts",
  "src/tokens/jwks.test.ts",
  "src/tokens/duplicate-keys.test.ts",
  "src/rules",
  "src/core/rules.test.ts",
  "src/core/permissions.test.ts",
  "src/access.test.ts",
  "src/http/permissions.test.ts",
  "src/http/once.test.ts",
  "src/http/server.test.ts",
  "src/http/refusals.test.ts",
  "src/http/rejection.test.ts",
  "src/http/address.test.ts",
  "src/core/worker-queue.test.ts",
  "src/sqlite/rejected.test.ts",
  "src/sqlite/store.test.ts",
  "src/tokens/verify.test.ts",
  "src/tokens/key-store.test.ts",
];
const RUN_WITHIN_MS = 120_000;

const CHECKS: readonly Check[] = [
  ...of("src/tokens/jws.ts", [
    ["a token has 8 KB at most", "if (token.length > MAX_TOKEN_LENGTH)", "if (false)"],
    ["a token has three parts", " || rest.length > 0", ""],
    ...["crit", "jwk", "jku", "x5c", "x5u"].map((name): [string, string, string] => [
      `no ${name} in the header`,
      `"${name}"`,
      `"-"`,
    ]),
    ["nothing is there twice, by whoever a token is signed", "if (twice !== undefined)", "if (false)"],
    ["without a key nothing is accepted", "if (accepted.length === 0)", "if (false)"],
  ]),
  ...of("src/tokens/key-store.ts", [
    [
      "a key that is gone is no key",
      "if (known !== undefined && !isGone(error))",
      "if (known !== undefined)",
    ],
    ["a folder that is gone has no key", "if (isGone(error)) return [];", ""],
  ]),
  ...of("src/rules/occurrence.ts", [
    [
      "workflow_run needs an environment",
      'if (environment !== undefined || !listOf(event_name ?? []).includes("workflow_run")) return [];',
      "if (true) return [];",
    ],
  ]),
  ...of("src/rules/schema.ts", [
    ["an issuer is written in full", "&& isInFull", ""],
    ["a ref is one that git allows", String.raw`(?!.*(?:\*\*|\.\.|`, String.raw`(?!.*(?:\*\*|-\.\.-|`],
  ]),
  ...of("src/tokens/verify-by-rules.ts", [
    ["iss is the issuer's, to the letter", "issuer.url === named", "named?.startsWith(issuer.url)"],
    [
      "an identity is judged by its own issuer alone",
      'if (identity?.kind === "oidc")',
      'if (identity?.kind === "oidc" && jws.algorithm === "RS256" && jws.header["kid"] !== undefined)',
    ],
    ["the algorithm is RS256", 'if (jws.algorithm !== "RS256")', "if (false)"],
    ["typ is JWT", 'if (typ !== "JWT")', "if (false)"],
    ["kid is a text", 'if (typeof kid !== "string" || kid === "")', "if (false)"],
    ["a kid that nobody has is refused", "if (known.length === 0)", "if (false)"],
    ["the signature is good", "if (!isSignedBy(jws, known))", "if (false)"],
    ["what no rule fits is forbidden", "if (may.length === 0)", "if (false)"],
    ["a key that no issuer has is refused", "if (signer === undefined)", "if (false)"],
    ["another name of the repository is warned of", "warnOfName(at,", "void (at,"],
  ]),
  ...of("src/tokens/oidc-claims.ts", [
    ["exp is a number", "exp: z.number()", "exp: z.any()"],
    ["nbf is a number", "nbf: z.number()", "nbf: z.any()"],
    ["iat is a number", "iat: z.number()", "iat: z.any()"],
    ["jti is a text", "jti: z.string().min(1).max(255)", "jti: z.any()"],
    ["one audience, no more", "z.tuple([z.string()])", "z.array(z.string())"],
    ["the audience is a text", "aud: z.union([z.string(),", "aud: z.union([z.any(),"],
    ["the audience is ours", "if (hash === undefined)", "if (false)"],
    ["the audience is ours to its end", "if (given === audience)", "if (given.startsWith(audience))"],
    ["a binding is a SHA-256", "/^#sha256=([A-Za-z0-9_-]{43})$/", "/^#(?:.*)=(.*)$/"],
    ["exp is after iat", "if (exp <= iat)", "if (false)"],
    ["it has not expired", "if (exp <= now)", "if (false)"],
    ["it is valid already", "if (nbf > now + LEEWAY_SECONDS)", "if (false)"],
    ["it is issued already", "if (iat > now + LEEWAY_SECONDS)", "if (false)"],
    ["it is ten minutes old at most", "if (iat <= now - MAX_AGE_SECONDS)", "if (false)"],
    ["clocks may differ by a minute", "LEEWAY_SECONDS = 60", "LEEWAY_SECONDS = 30"],
    ["it needs its id", "needs: { id: true", "needs: { id: false"],
    ["it needs its request where rules say so", "request: isBound }", "request: false }"],
    ["it is over after ten minutes", "Math.min(exp, iat + MAX_AGE_SECONDS)", "exp"],
  ]),
  ...of("src/tokens/jwks.ts", [
    ["keys are RSA keys", 'jwk.kty !== "RSA" || ', ""],
    ["keys are for signatures", 'jwk.use !== "sig" || ', ""],
    ["keys are for RS256", '(jwk.alg ?? "RS256") !== "RS256"', "false"],
    ["half a minute between two fetches", "now() - askedAt < COOLDOWN_MS", "false"],
    ["one fetch for all who wait", "asking === undefined && ", ""],
    ["keys are fetched anew after ten minutes", "now() - fetchedAt < FRESH_FOR_MS", "true"],
    ["keys are kept for a day at most", "now() - fetchedAt < KEPT_FOR_MS", "true"],
    ["keys are kept while the issuer fails", "KEPT_FOR_MS = 24 * 3_600_000", "KEPT_FOR_MS = 600_000"],
    ["a key set without keys takes none away", "if (fresh.size === 0)", "if (false)"],
    ["a megabyte at most", "if (size > MAX_BYTES)", "if (false)"],
    ["https only", 'if (!url.startsWith("https:"))', "if (false)"],
    ["an outage is said once", "if (reason !== problem)", "if (true)"],
  ]),
  ...of("src/tokens/keys.ts", [["keys have 2048 bits", "bits >= MIN_RSA_BITS", "bits >= 512"]]),
  ...of("src/tokens/duplicate-keys.ts", [
    ["a key is the same however it is spelt", "String(JSON.parse(last))", "last"],
  ]),
  ...of("src/core/rules.ts", [
    ["a claim is a text", 'typeof value !== "string"', "value === undefined"],
    ["a claim that is missing fits nothing", "return `claim ${claim} is missing, or not a text`", "continue"],
    ["a pattern fits from the beginning", "`^${parts", "`${parts"],
    ["a pattern fits to the end", "(ANY_BUT_SEPARATORS)}$`", "(ANY_BUT_SEPARATORS)}`"],
    ["a * does not cross /, : and @", '"[^/:@]*"', '".*"'],
    ["a dot is a dot", "RegExp.escape(part)", "part"],
  ]),
  ...of(
    "src/rules/issuer.ts",
    [
      "repository_id",
      "repository_owner_id",
      "ref",
      "ref_type",
      "ref_protected",
      "event_name",
      "environment",
      "workflow_ref",
      "workflow_sha",
      "job_workflow_ref",
      "job_workflow_sha",
      "runner_environment",
    ].map((claim) => [`the claim ${claim}`, `    ["${claim}", `, `    ["iss", undefined && `]),
  ),
  ...of("src/core/permissions.ts", [
    ["services that may be deployed", "if (grants.length === 0)", "if (false)"],
    ["images that may be named", "isIn(images, repository)", "true"],
    ["services that may be rolled back", "isIn(rollback, service)", "true"],
    [
      "all services of a deployment",
      "servicesOf(deployment).every((service) => mayReadService",
      "servicesOf(deployment).some((service) => mayReadService",
    ],
    ["services that may be read", "isIn(read, service)", "true"],
    ["logs: true", "grant.logs && ", ""],
    ["logs of its own services", "concerns(grant, service)", "true"],
  ]),
  ...of("src/http/deploy.ts", [
    ["what may be asked for", "assertMayAsk(may, request);", ""],
    ["output in the answer", "failureText(deployment, seesOutput)", "failureText(deployment, true)"],
    [
      "output by the read key",
      "offerReadKey(c, daemon, accepted.id, seesOutput)",
      "offerReadKey(c, daemon, accepted.id, true)",
    ],
  ]),
  ...of("src/http/deployments.ts", [
    ["what may be read", " && mayRead(may, found)", ""],
    ["output of a deployment", "maySeeOutput(may, deployment))", "true)"],
  ]),
  ...of("src/http/events.ts", [
    ["output in an event", 'phase === "output" && !seesOutput', "false"],
    ["many lines of output in one", "if (seesOutput) return events;", "return events;"],
  ]),
  ...of("src/http/services.ts", [["services in lists", "mayReadService(may, name)", "true"]]),
  ...of("src/http/listing.ts", [["deployments in lists", "readableBy(may)", '"all" as const']]),
  ...of("src/access.ts", [["rules that are gone", "store.hadRules()", "false"]]),
  ...of("src/rules/rules-file.ts", [
    [
      "bad rules do not replace good ones",
      "const next = readRules(path, fresh, keysAt);",
      "issuers = undefined; const next = readRules(path, fresh, keysAt);",
    ],
  ]),
];

const ONCE: readonly Check[] = [
  ...of("src/tokens/claims.ts", [
    ["a key's jti is a text", "jti: z.string().min(1).max(255)", "jti: z.any()"],
    ["a key's req is a SHA-256", ".regex(REQUEST_HASH,", ".regex(/^/,"],
    ["JWT_STRICT needs both", "rules.strict === true", "false"],
  ]),
  ...of("src/tokens/verify-by-rules.ts", [
    ["JWT_STRICT needs both of identities too", " || claimRules.strict === true", ""],
  ]),
  ...of("src/http/authenticate.ts", [
    ["a body is the one the token is for", "  assertIsFor(c, caller, body, daemon);", ""],
    ["what reads is what the token is for", "  assertIsFor(c, caller, NO_BODY, daemon);", ""],
    ["a POST has what its rules need", "  assertIsBound(caller);", ""],
  ]),
  ...of("src/http/bound-token.ts", [
    ["jti where it is needed", "if (needs.id && id === undefined)", "if (false)"],
    ["req where it is needed", "if (needs.request && request === undefined)", "if (false)"],
    ["the query is bound too", "return url.slice(", "return new URL(url).pathname.slice(0) || url.slice("],
    ["the method is bound too", "requestHash(method,", 'requestHash("POST",'],
    ["a hash of another length is another one", "one.length === other.length && ", ""],
  ]),
  ...of("src/core/repeat.ts", [
    ["a key is for one request", "if (first.request !== key.request)", "if (false)"],
    [
      "a key of a forgotten deployment starts nothing",
      "if (deployment === undefined)",
      "if (deployment === undefined) return undefined; if (false)",
    ],
    ["a replay spends nobody's Idempotency-Key", "keys.slice(0, position)", "keys"],
    ["a token is spent with the Idempotency-Key that decides", "if (spent.length > 0)", "if (false)"],
  ]),
  ...of("src/core/repeat-key.ts", [
    [
      "a jti is remembered as long as its token",
      "Math.max(goodUntil + SKEW_MS, now + KEY_LIFE_MS)",
      "now + KEY_LIFE_MS",
    ],
    ["and a day at least", "Math.max(goodUntil + SKEW_MS, now + KEY_LIFE_MS)", "goodUntil + SKEW_MS"],
  ]),
  ...of("src/sqlite/guards.ts", [
    ["keys of tokens and of callers are apart", "AND kind = ?", "AND (kind = ? OR true)"],
    ["what was asked with is spent", "replaceKey.run({ ...key, deployment: id });", "void key;"],
  ]),
  ...of("src/sqlite/rejected.ts", [
    ["so many are kept and no more", "deleteOld.run();", ""],
    ["a flood of bad tokens leaves those of good ones", "AND seq NOT IN (SELECT", "AND seq IN (SELECT"],
  ]),
  ...of("src/http/access-log.ts", [
    ["a flood is not listed", "if (isListed) {", "{"],
    ["a good token never waits", "isFlood && !verified", "isFlood"],
    [
      "claims are verified when the token was good",
      'code === "forbidden" || c.get("verified") === true',
      "true",
    ],
  ]),
  ...of("src/http/server.ts", [
    ["a flood is slowed", "if (verdict?.isSlowed &&", "if (false &&"],
    ["large bodies are not held", "length <= HELD_BODY_BYTES", "true"],
  ]),
  ...of("src/http/refusals.ts", [
    ["so many answers are held and no more", "if (this.#held >= MOST_HELD) return;", ""],
    ["lines are bounded for all together", "this.#ofAll.take(kind, now)", "true"],
    ["those of good tokens count apart", 'const kind = verified ? "verified" : "";', 'const kind = "";'],
  ]),
  ...of("src/http/rejection.ts", [
    ["what looks like a secret is not kept", "printable(claims)", "claims"],
    ["all claims together are bounded", "|| length > MOST_IN_ALL", ""],
  ]),
  ...of("src/http/address.ts", [
    ["only proxies are believed", "proxies.check(origin,", "Boolean(origin) || proxies.check(origin,"],
    ["only an address is an address", "if (isIP(next) === 0) break;", ""],
  ]),
];

const folder = mkdtempSync(join(tmpdir(), "taken-out-"));
try {
  for (const name of ["src", "test", "package.json", "tsconfig.json", "bunfig.toml", "rules.schema.json"])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  if ((await failures()) !== 0) throw new Error("the tests fail with all checks in place");
  const rows: string[] = [];
  let unnoticed = 0;
  const all = [...CHECKS, ...ONCE];
  for (const check of all) {
    const failed = await without(check);
    if (failed === 0) unnoticed += 1;
    rows.push(`| ${check.what} | ${check.file} | ${failed} |`);
    process.stdout.write(`${failed === 0 ? "UNNOTICED" : `${failed} fail`}: ${check.what}\n`);
  }
  const heading = `# Checks taken out, one at a time\n\n\`bun bench/taken-out.ts\`: ${all.length} checks, ${unnoticed} of which can go without a test that fails.\n`;
  const table = ["| without | file | tests that fail |", "| --- | --- | --- |", ...rows].join("\n");
  writeFileSync(join(ROOT, "bench/results/taken-out.md"), `${heading}\n${table}\n`);
  process.exitCode = unnoticed === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function of(file: string, checks: [what: string, code: string, instead: string][]): Check[] {
  return checks.map(([what, code, instead]) => ({ what, file, code, instead }));
}

/** @returns how many tests fail */
async function without({ file, code, instead, what }: Check): Promise<number> {
  const path = join(folder, file);
  const whole = readFileSync(path, "utf8");
  if (!whole.includes(code)) throw new Error(`${what}: ${file} has no ${code}`);
  writeFileSync(
    path,
    whole.replace(code, () => instead),
  );
  try {
    return await failures();
  } finally {
    writeFileSync(path, whole);
  }
}

async function failures(): Promise<number> {
  const child = Bun.spawn(["bun", "test", ...TESTS], {
    cwd: folder,
    stdout: "ignore",
    stderr: "pipe",
    timeout: RUN_WITHIN_MS,
  });
  const text = await child.stderr.text();
  if ((await child.exited) === 0) return 0;
  return Number(/^ *(\d+) fail$/m.exec(text)?.[1] ?? 1);
}
