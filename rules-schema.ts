import { jsonSchema } from "./src/rules/json-schema.ts";

/** Writes `rules.schema.json` from the form that the rules file is read with: `npm run schema`. */
await Bun.write(`${import.meta.dir}/rules.schema.json`, JSON.stringify(jsonSchema()));
