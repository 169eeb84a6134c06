import { statSync } from "node:fs";

import { DeployerError } from "../core/errors.ts";

/** Docker's own words for it would name a mount. Errors: `edge`. */
export function assertChallenges(folder: string | undefined): void {
  if (folder === undefined || statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new DeployerError("edge", `x-deployer.edge.acme_challenges: there is no folder ${folder}`);
}
