import { createHash } from "node:crypto";

import challenge from "./challenge.lua" with { type: "text" };
import follow from "./follow.lua" with { type: "text" };
import hold from "./hold.lua" with { type: "text" };

export type Script = { file: string; content: string };

/**
 * What the proxy runs in Lua. The files are named after their content: a proxy that starts anew before it was told of
 * another version finds those of its own configuration.
 */
export const SCRIPTS = {
  hold: script("hold", hold),
  follow: script("follow", follow),
  challenge: script("challenge", challenge),
};

function script(name: string, content: string): Script {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  return { file: `${name}-${hash}.lua`, content };
}
