import { canonicalJson } from "./exact-json.ts";
import type { ResolvedService } from "./resolved-service.ts";

/** Keys that do not say how a container is made: another value must not replace what runs. */
const NOT_CONFIGURATION = new Set([
  "image",
  "build",
  "depends_on",
  "scale",
  "profiles",
  "pull_policy",
  "develop",
]);

/** SHA-256 over what makes a service's containers what they are, whatever the order of its keys. */
export function configHash(fields: ResolvedService): string {
  // Without the number of containers, and without the `{}` that Compose's JSON has for what is not said.
  const deploy = Object.entries(fields.deploy ?? {}).filter(
    ([key, value]) => key !== "replicas" && canonicalJson(value) !== "{}",
  );
  const kept = Object.entries({
    ...fields,
    deploy: deploy.length > 0 ? Object.fromEntries(deploy) : undefined,
  }).filter(([key]) => !NOT_CONFIGURATION.has(key) && !key.startsWith("x-"));
  return new Bun.CryptoHasher("sha256").update(canonicalJson(Object.fromEntries(kept))).digest("hex");
}
