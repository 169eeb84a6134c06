import type { Credential } from "../core/engine.ts";

/** In place of a user name: the password is an identity token (convention of the docker credential helpers). */
export const IDENTITY_TOKEN_USER = "<token>";

/**
 * The header with which Docker is lent a credential for one request. Base64url **with** padding:
 * dockerd 20.10 takes anything else for no credential at all, without a word.
 */
export function registryAuth(credential: Credential | undefined): Record<string, string> {
  if (credential === undefined) return {};
  const { username, password, server } = credential;
  const login =
    username === IDENTITY_TOKEN_USER
      ? { identitytoken: password.reveal(), serveraddress: server }
      : { username, password: password.reveal(), serveraddress: server };
  const base64 = Buffer.from(JSON.stringify(login)).toString("base64");
  return { "x-registry-auth": base64.replaceAll("+", "-").replaceAll("/", "_") };
}
