import type { Log } from "../core/ports.ts";
import type { Issuer } from "../core/rules.ts";
import { createKeySet, type KeySet, type KeySetOptions } from "./jwks.ts";
import { type KeyStore, openKeyStore } from "./key-store.ts";

/** The keys of all issuers that rules name, each opened once. */
export type IssuerKeys = {
  /** Errors: `config` for files that cannot be used. */
  files(path: string): KeyStore;
  /** @param url of the issuer */
  published(url: string): KeySet;
  /** Begins to fetch what will be needed. */
  prepare(issuers: readonly Issuer[]): void;
};

export function createIssuerKeys(log: Log, options: Pick<KeySetOptions, "fetch" | "now"> = {}): IssuerKeys {
  const stores = new Map<string, KeyStore>();
  const sets = new Map<string, KeySet>();

  function files(path: string): KeyStore {
    const store = stores.get(path) ?? openKeyStore({ path, log });
    stores.set(path, store);
    return store;
  }
  function published(url: string): KeySet {
    const set = sets.get(url) ?? createKeySet({ ...options, url: `${url}/.well-known/jwks`, log });
    sets.set(url, set);
    return set;
  }
  return {
    files,
    published,
    prepare(issuers) {
      for (const issuer of issuers) if (issuer.kind === "oidc") void published(issuer.url).prefetch();
    },
  };
}
