import { createHmac } from "node:crypto";

import { forge, newKeyPair, publicPem, segment } from "../../src/tokens/test-keys.ts";
import { claims, type HttpCase, type HttpCases, RS256, seconds, valid } from "./http-case.ts";

const HOUR = 3600;
const LIFE_SECONDS = 300;

/** Rows about the `Authorization` header. */
export const TOKEN_CASES: HttpCases = {
  "no auth": { authorization: () => undefined },
  "Basic x": { authorization: () => "Basic x" },
  '"Bearer " + nothing': { authorization: () => "Bearer " },
  'lowercase "bearer" valid': { authorization: (world) => valid(world).replace("Bearer", "bearer") },
  "token with trailing space": { authorization: (world) => `${valid(world)} ` },
  "token only without scheme": { authorization: (world) => valid(world).replace("Bearer ", "") },
  "garbage token": { authorization: () => "Bearer garbage" },
  "expired 1 h ago": signed(() => ({ exp: seconds() - HOUR })),
  "expired 1 s ago": signed(() => ({ exp: seconds() - 1 })),
  "no exp (accepted forever)": signed(() => ({ exp: undefined })),
  "exp as string": signed(() => ({ exp: String(seconds() + LIFE_SECONDS) })),
  "exp 0": signed(() => ({ exp: 0 })),
  "exp in 2 h": signed(() => ({ exp: seconds() + 2 * HOUR })),
  "no iss": signed(() => ({ iss: undefined })),
  "iss is a number": signed(() => ({ iss: 7 })),
  "iss empty string": signed(() => ({ iss: "" })),
  "nbf in 1 h": signed(() => ({ nbf: seconds() + HOUR })),
  "iat in 1 h": signed(() => ({ iat: seconds() + HOUR })),
  "alg none, empty signature": {
    authorization: () => `Bearer ${segment({ alg: "none", typ: "JWT" })}.${segment(claims())}.`,
  },
  "HS256 with public PEM as secret": {
    authorization({ key }) {
      const input = `${segment({ alg: "HS256", typ: "JWT" })}.${segment(claims())}`;
      return `Bearer ${input}.${createHmac("sha256", publicPem(key)).update(input).digest("base64url")}`;
    },
  },
  RS384: {
    authorization: ({ key }) => `Bearer ${forge(key, { ...RS256, alg: "RS384" }, claims(), "sha384")}`,
  },
  "wrong key": { authorization: () => `Bearer ${forge(newKeyPair("RS256"), RS256, claims())}` },
  "right token, one signature character changed": {
    authorization(world) {
      const good = valid(world);
      const at = good.lastIndexOf(".") + 10;
      return `${good.slice(0, at)}${good[at] === "A" ? "B" : "A"}${good.slice(at + 1)}`;
    },
  },
  "crit header": {
    authorization: ({ key }) =>
      `Bearer ${forge(key, { ...RS256, crit: ["x-unknown"], "x-unknown": true }, claims())}`,
  },
};

/** A good signature over these claims; the time is taken when the request is sent. */
function signed(changes: () => Record<string, unknown>): HttpCase {
  return { authorization: ({ key }) => `Bearer ${forge(key, RS256, claims(changes()))}` };
}
