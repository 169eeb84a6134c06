export type EcrToken = { password: string; issuedAt: number; expiresAt: number };

/** About the length of a real one: it has to fit into every header that carries it. */
const PASSWORD_BYTES = 1900;

/** The registry passwords that ECR has issued, and until when each is good. */
export class EcrTokens {
  readonly #issued: EcrToken[] = [];
  readonly #life: number;

  /** `life` in milliseconds. */
  constructor(life: number) {
    this.#life = life;
  }

  issue(): EcrToken {
    const password = Buffer.from(crypto.getRandomValues(new Uint8Array(PASSWORD_BYTES))).toString("base64");
    const now = Date.now();
    const token = { password, issuedAt: now, expiresAt: now + this.#life };
    this.#issued.push(token);
    return token;
  }

  judge(password: string): "valid" | "expired" | "unknown" {
    const token = this.#issued.find((issued) => issued.password === password);
    if (token === undefined) return "unknown";
    return Date.now() < token.expiresAt ? "valid" : "expired";
  }

  /** Every token issued so far is expired from now on; new ones are not. */
  expireAll(): void {
    for (const token of this.#issued) token.expiresAt = 0;
  }

  get issued(): readonly EcrToken[] {
    return this.#issued;
  }
}
