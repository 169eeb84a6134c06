import type { Caller } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import type { Log } from "../core/ports.ts";
import { type Issuer, type KeyIssuer, matchRules, type OidcIssuer } from "../core/rules.ts";
import { checkClaims, type ClaimRules } from "./claims.ts";
import type { IssuerKeys } from "./issuers.ts";
import { checkAlgorithm, isSignedBy, type Jws, parseJws, readClaims, unverifiedIssuer } from "./jws.ts";
import { checkOidcClaims } from "./oidc-claims.ts";
import { failClosed, type Verify } from "./verify.ts";

const LONGEST_SHOWN = 100;
/** What the log says of an identity that was accepted. `sub` is only said: its form changes, and anybody's repository may choose its own. */
const SAID = [
  "sub",
  "repository",
  "ref",
  "event_name",
  "workflow_ref",
  "run_id",
  "run_attempt",
  "actor",
] as const;

type RuledVerifierOptions = {
  /** Asked for each token. */
  issuers: () => readonly Issuer[];
  /** Of tokens signed with a key; what is strict is so for all. */
  claimRules: ClaimRules;
  keys: IssuerKeys;
  log: Pick<Log, "info" | "warn">;
  /** Milliseconds since the epoch. */
  now?: () => number;
};

/**
 * As `createVerifier`, by rules: a token that names an OIDC issuer is judged by that one alone, any other by the issuers
 * with a key. A token that is good and that no rule fits throws `forbidden`.
 */
export function createRuledVerifier(options: RuledVerifierOptions): Verify {
  const { issuers, claimRules, keys, log, now = Date.now } = options;
  const renamed = new Set<string>();

  async function byIdentity(jws: Jws, issuer: OidcIssuer): Promise<Caller> {
    await checkSignature(jws, issuer, keys);
    const claims = readClaims(jws);
    const isBound = issuer.isBound || claimRules.strict === true;
    const token = checkOidcClaims(claims, { audience: issuer.audience, isBound }, now());
    const { may, misses, renamed: others } = matchRules(issuer.rules, claims);
    const said = Object.fromEntries(SAID.map((claim) => [claim, claims[claim]]));
    if (may.length === 0)
      throw new DeployerError("forbidden", `no rule of issuer ${issuer.name} fits: ${misses.join("; ")}`);
    log.info("identity accepted", { issuer: issuer.name, ...said });
    for (const { at, repository } of others) warnOfName(at, repository ?? "", said["repository"]);
    return { issuer: issuer.name, may, repository: repositoryIn(claims), token };
  }

  function byKey(jws: Jws, candidates: readonly KeyIssuer[]): Caller {
    if (candidates.length === 0) throw refused("its issuer is not one that the rules name");
    const withKeys = candidates.map((issuer) => ({ issuer, own: keys.files(issuer.publicKey).keys() }));
    checkAlgorithm(
      jws,
      withKeys.flatMap(({ own }) => own),
    );
    const signer = withKeys.find(({ own }) => isSignedBy(jws, own))?.issuer;
    if (signer === undefined) throw refused("token signature is invalid");
    const { token } = checkClaims(readClaims(jws), claimRules, now());
    return {
      issuer: signer.name,
      may: signer.rules.map(({ grant }) => grant),
      repository: undefined,
      token,
    };
  }

  /** Once for each name: the repository was renamed, or somebody made a new one of the old name, which its id tells apart. */
  function warnOfName(at: string, repository: string, found: unknown): void {
    const key = JSON.stringify([at, repository, found]);
    if (renamed.has(key)) return;
    renamed.add(key);
    log.warn("the repository has another name than its rule says", { rule: at, repository, found });
  }

  return async (token) =>
    failClosed(async () => {
      const jws = parseJws(token);
      const all = issuers();
      const named = unverifiedIssuer(jws);
      const identity = all.find((issuer) => issuer.kind === "oidc" && issuer.url === named);
      if (identity?.kind === "oidc") return await byIdentity(jws, identity);
      return byKey(
        jws,
        all.filter((issuer) => issuer.kind === "key"),
      );
    });
}

/** The algorithm is RS256 whatever the token or its key say; which of the issuer's keys it is, `kid` says, and nothing else. */
async function checkSignature(jws: Jws, { name, url }: OidcIssuer, keys: IssuerKeys): Promise<void> {
  const { typ, kid } = jws.header;
  if (jws.algorithm !== "RS256")
    throw refused(`signing method ${shown(jws.algorithm)} is invalid; it must be RS256`);
  if (typ !== "JWT") throw refused("token header typ is not JWT");
  if (typeof kid !== "string" || kid === "") throw refused("token header has no kid");
  const known = await keys.published(url).find(kid);
  if (known.length === 0) throw refused(`issuer ${name} has no key ${shown(kid)}, as far as is known`);
  if (!isSignedBy(jws, known)) throw refused("token signature is invalid");
}

function repositoryIn({ repository_id: id }: Readonly<Record<string, unknown>>): string | undefined {
  return typeof id === "string" ? id : undefined;
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, LONGEST_SHOWN));
}

function refused(message: string): DeployerError {
  return new DeployerError("unauthorized", message);
}
