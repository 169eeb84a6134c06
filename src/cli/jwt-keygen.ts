import { KEY_TYPES, type KeyType, writeKeyPair } from "../tokens/keygen.ts";
import type { JwtCommand } from "./jwt-command.ts";

/** Writes a key pair; stdout is the GitHub secret and nothing else, so that it can be piped. */
export const keygenCommand: JwtCommand<"type" | "out"> = {
  name: "keygen",
  flags: {
    type: {
      default: "rsa",
      help: "rsa (2048 bits), ec (P-256) or ed25519",
      check: (value) =>
        KEY_TYPES.some((type) => type === value) ? undefined : `must be one of ${KEY_TYPES.join(", ")}`,
    },
    out: { default: ".", help: "directory for private.pem and public.pem" },
  },
  run({ type, out }, io) {
    const { privateFile, publicFile, signingKey } = writeKeyPair(type as KeyType, out);
    io.stdout(`${signingKey.reveal()}\n`);
    io.stderr(
      `private key: ${privateFile} (keep it off the host that deploys)\n` +
        `public key:  ${publicFile} (the file that JWT_PUBLIC_KEY_PATH names on that host)\n` +
        "the line on stdout is the private key in base64: paste it into the GitHub secret DEPLOY_SIGNING_KEY_B64,\n" +
        "  or pipe it there: jwt keygen | gh secret set DEPLOY_SIGNING_KEY_B64\n",
    );
    return 0;
  },
};
