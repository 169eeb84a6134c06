import { z } from "zod";

import { RulesFile } from "./schema.ts";

/** What `rules.schema.json` tells editors of a rules file. What hangs on several keys only `check` judges. */
export function jsonSchema(): object {
  const schema = z.toJSONSchema(RulesFile, { target: "draft-7", io: "input" });
  return { title: "Rules of deployer-service: who may deploy what", ...schema };
}
