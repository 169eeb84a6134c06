import type { Grant, Permissions } from "./caller.ts";

/** Somebody whose tokens are accepted, and what they let their bearers do. */
export type Issuer = OidcIssuer | KeyIssuer;

/** GitHub Actions, or a server of GitHub's with claims like those. */
export type OidcIssuer = {
  kind: "oidc";
  /** What records and the log call it. */
  name: string;
  /** `iss` of its tokens, to the letter; its keys are at `<url>/.well-known/jwks`. */
  url: string;
  audience: string;
  /** Whether a token has to be bound to its request to start anything. */
  isBound: boolean;
  rules: readonly ClaimRule[];
};

/** Whoever has the private key. */
export type KeyIssuer = {
  kind: "key";
  name: string;
  /** A PEM file, or a directory of them. */
  publicKey: string;
  rules: readonly Rule[];
};

type Rule = {
  grant: Grant;
  /** Where it stands, for people: `/etc/deployer-service/rules.yml:12`. */
  at: string;
};

/** What bearers of tokens with these claims may do. */
export type ClaimRule = Rule & {
  /** All of them must hold. */
  conditions: readonly Condition[];
  /** `owner/name` as people know the repository; nothing is decided by it. */
  repository: string | undefined;
};

/** A `*` in a text stands for any characters but those that separate the parts of a name: `/`, `:` and `@`. */
export type Condition = { claim: string; oneOf: readonly string[] };

type Claims = Readonly<Record<string, unknown>>;

export type Match = {
  /** Empty: no rule fits. */
  may: Permissions;
  /** Why the other rules do not fit, a sentence each, for the log. */
  misses: string[];
  /** Rules that fit, but call the repository by another name than its token does. */
  renamed: ClaimRule[];
};

const ANY_BUT_SEPARATORS = "[^/:@]*";
const LONGEST_SHOWN = 200;

/** What the rules make of claims that are known to be true. A claim that is not there, or not a text, fits nothing. */
export function matchRules(rules: readonly ClaimRule[], claims: Claims): Match {
  const judged = rules.map((rule) => ({ rule, miss: firstMiss(rule, claims) }));
  const fitting = judged.filter(({ miss }) => miss === undefined).map(({ rule }) => rule);
  return {
    may: fitting.map(({ grant }) => grant),
    misses: judged.flatMap(({ rule, miss }) => (miss === undefined ? [] : [`${rule.at}: ${miss}`])),
    renamed: fitting.filter(
      ({ repository }) => repository !== undefined && repository !== claims["repository"],
    ),
  };
}

/** Whether a text is what a pattern of a rule stands for. */
export function fits(pattern: string, text: string): boolean {
  const parts = pattern.split("*").map((part) => RegExp.escape(part));
  return new RegExp(`^${parts.join(ANY_BUT_SEPARATORS)}$`, "s").test(text);
}

function firstMiss({ conditions }: ClaimRule, claims: Claims): string | undefined {
  for (const { claim, oneOf } of conditions) {
    const value = claims[claim];
    if (typeof value !== "string") return `claim ${claim} is missing, or not a text`;
    if (!oneOf.some((pattern) => fits(pattern, value)))
      return `claim ${claim} is ${JSON.stringify(value.slice(0, LONGEST_SHOWN))}, not ${oneOf.join(" or ")}`;
  }
  return undefined;
}
