import type { Scene } from "./scene.ts";

/** A signed webhook as a person types it in the project's folder: without `version`, the image that the compose file names. */
export function webhook(scene: Scene, version?: string, key = "private.pem"): string {
  const image = version === undefined ? {} : { image: `${scene.repository}:${version}` };
  const body = JSON.stringify({ service: "web", ...image });
  const token = key === "private.pem" ? "./jwt sign" : `./jwt sign --key ${key}`;
  return `curl -H "Authorization: Bearer $(${token})" -d '${body}' ${scene.daemon.url}/deploy`;
}
