import type { Config } from "./config.ts";
import type { Grant } from "./core/caller.ts";
import type { Project } from "./core/compose.ts";
import { DeployerError } from "./core/errors.ts";
import type { Log } from "./core/ports.ts";
import type { Issuer } from "./core/rules.ts";
import type { Store } from "./core/store.ts";
import { openRulesFile, type RulesFile } from "./rules/rules-file.ts";
import { createIssuerKeys, type IssuerKeys } from "./tokens/issuers.ts";
import { type KeyStore, openKeyStore } from "./tokens/key-store.ts";
import { createRuledVerifier } from "./tokens/verify-by-rules.ts";
import { createVerifier, type Verify } from "./tokens/verify.ts";

/**
 * How tokens are judged: by the rules where there are any, else by the key of JWT_PUBLIC_KEY_PATH, which may do everything.
 * Where there were rules once, that is not done in silence.
 * Errors: `config` for keys and rules that cannot be used, and for rules that are gone.
 */
export function openAccess(config: Config, store: Pick<Store, "hadRules" | "noteRules">, log: Log): Verify {
  const { jwtPublicKeyPath, jwtIssuers: issuers, jwtMaxLifetimeSeconds: maxLifetimeSeconds } = config;
  const ownKey =
    jwtPublicKeyPath === undefined
      ? undefined
      : openKeyStore({ path: jwtPublicKeyPath, setting: "JWT_PUBLIC_KEY_PATH", log });
  const keys = createIssuerKeys(log);
  const rules = openRules(config, keys, log, (named) => {
    store.noteRules();
    keys.prepare(named);
    warnOfLostKey(ownKey, named, keys, log);
  });
  if (config.rules !== undefined && rules?.issuers() === undefined && store.hadRules())
    throw gone(config.rules.file);

  const claimRules = { issuers, maxLifetimeSeconds, strict: config.jwtStrict };
  const withoutRules = createVerifier({ ...claimRules, keys: () => ownKey?.keys() ?? [] });
  const byRules = createRuledVerifier({ issuers: () => rules?.issuers() ?? [], claimRules, keys, log });
  return (token) => (rules?.issuers() === undefined ? withoutRules(token) : byRules(token));
}

/** The issuers that the rules name, undefined where there are none. Errors: `config`. */
export function readIssuers(config: Config, log: Log): readonly Issuer[] | undefined {
  return openRules(config, createIssuerKeys(log), log)?.issuers();
}

/** A line for each service that a rule names and the compose file does not have. */
export function strangeServices(issuers: readonly Issuer[], project: Pick<Project, "services">): string[] {
  return issuers.flatMap(({ rules }) =>
    rules.flatMap(({ grant, at }) =>
      servicesIn(grant)
        .filter((service) => !project.services.has(service))
        .map((service) => `warning: ${at}: the compose file has no service ${JSON.stringify(service)}`),
    ),
  );
}

function openRules(
  { rules }: Config,
  keys: IssuerKeys,
  log: Log,
  onChange: (issuers: readonly Issuer[]) => void = () => undefined,
): RulesFile | undefined {
  if (rules === undefined) return undefined;
  const { file: path, isRequired } = rules;
  return openRulesFile({ path, isRequired, keysAt: (path) => keys.files(path).keys(), log, onChange });
}

/** Each once. */
function servicesIn({ deploy, rollback, read }: Grant): string[] {
  const names = [deploy, rollback, read].flatMap((scope) =>
    scope === "all" ? [] : scope.values().toArray(),
  );
  return [...new Set(names)];
}

/** Who had one key for everything, and writes rules, would else look for long why that key is refused. */
function warnOfLostKey(
  own: KeyStore | undefined,
  issuers: readonly Issuer[],
  keys: IssuerKeys,
  log: Log,
): void {
  if (own === undefined) return;
  const named = issuers.flatMap((issuer) =>
    issuer.kind === "key" ? keys.files(issuer.publicKey).keys() : [],
  );
  const fingerprints = new Set(named.map(({ fingerprint }) => fingerprint));
  if (own.keys().some(({ fingerprint }) => fingerprints.has(fingerprint))) return;
  log.warn(
    "the key of JWT_PUBLIC_KEY_PATH is that of no issuer in the rules: tokens signed with it are refused",
  );
}

function gone(file: string): DeployerError {
  return new DeployerError(
    "config",
    `${file}: there is no such file, but this daemon had rules, and without them the key of JWT_PUBLIC_KEY_PATH may do everything. Put the file back, or name it in RULES_FILE; to go on without rules on purpose set RULES_FILE=none`,
  );
}
