import { readIssuers, strangeServices } from "./access.ts";
import { type Check, NOT_LOOKED_AT } from "./check.ts";
import type { Config } from "./config.ts";
import type { Compose } from "./core/compose.ts";
import { DeployerError } from "./core/errors.ts";
import type { Issuer } from "./core/rules.ts";
import { type CertificateFiles, judgeCertificate, readPair } from "./system/certificate.ts";
import { silent } from "./system/silent-log.ts";
import { createIssuerKeys } from "./tokens/issuers.ts";
import { openKeyStore } from "./tokens/key-store.ts";

/** Who may call the daemon, and what it shows them. */
export function accessChecks(config: Config, compose: Compose): Check[] {
  return [
    {
      name: "keys",
      look: () => usableKeys(config),
      remedy: 'put the public key there, as PEM and readable by this user; "jwt keygen" makes a pair',
    },
    ...(config.tls === undefined ? [] : [certificateCheck(config.tls)]),
    {
      name: "rules",
      look: () => usableRules(config, compose),
      remedy: "correct the file; docs/rules.md and rules.schema.json say what may stand in it",
    },
    {
      name: "identity keys",
      look: () => fetchedKeys(config),
      remedy:
        "let this host reach the issuer over https (HTTPS_PROXY is honoured); until then its tokens are refused",
    },
  ];
}

function certificateCheck(files: CertificateFiles): Check {
  return {
    name: "certificate",
    look() {
      const { names, notAfter, warnings } = judgeCertificate(readPair(files), files, Date.now());
      if (warnings.length > 0) throw new DeployerError("config", warnings.join("\n"));
      return `for ${names}, until ${notAfter}`;
    },
    remedy: "renew the certificate, or correct TLS_CERT_FILE and TLS_KEY_FILE; no restart is needed",
  };
}

function usableKeys({ jwtPublicKeyPath }: Config): string {
  if (jwtPublicKeyPath === undefined) return "JWT_PUBLIC_KEY_PATH is not set: the rules name the keys";
  const store = openKeyStore({ path: jwtPublicKeyPath, setting: "JWT_PUBLIC_KEY_PATH", log: silent });
  return `${store.keys().length} usable`;
}

/** A service that the compose file does not have may be one to come. */
async function usableRules(config: Config, compose: Compose): Promise<string> {
  const issuers = readIssuers(config, silent);
  if (issuers === undefined) return "none: whoever has the key of JWT_PUBLIC_KEY_PATH may do everything";
  const project = await compose.project().catch(() => undefined);
  const warnings = project === undefined ? [] : strangeServices(issuers, project);
  return [`issuers ${issuers.map(({ name }) => name).join(", ")}`, ...warnings].join("\n");
}

async function fetchedKeys(config: Config): Promise<string> {
  let issuers: readonly Issuer[];
  try {
    issuers = readIssuers(config, silent) ?? [];
  } catch {
    // What is wrong with them is said once, with what mends it.
    return `${NOT_LOOKED_AT}the rules cannot be used`;
  }
  const identities = issuers.filter((issuer) => issuer.kind === "oidc");
  const keys = createIssuerKeys(silent);
  const problems = await Promise.all(
    identities.map(async ({ name, url }) => {
      const problem = await keys.published(url).prefetch();
      return problem === undefined ? [] : [`issuer ${name}: ${problem}`];
    }),
  );
  if (problems.flat().length > 0) throw new DeployerError("config", problems.flat().join("\n"));
  return identities.length === 0
    ? "none needed"
    : `fetched from ${identities.map(({ url }) => url).join(", ")}`;
}
