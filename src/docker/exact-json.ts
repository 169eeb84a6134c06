declare global {
  /** ECMAScript's "JSON.parse source text access", which Bun has and TypeScript's library does not know yet. */
  interface JSON {
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown;
    rawJSON(text: string): object;
    isRawJSON(value: unknown): boolean;
  }
}

/** As `JSON.parse`; a number that JavaScript cannot hold (`ulimits` go to 2^63) stays what it is when it is written again. */
export function parseExactJson(text: string): unknown {
  return JSON.parse(text, (_key, value, { source }) =>
    typeof value === "number" && source !== undefined && !isExact(value) ? JSON.rawJSON(source) : value,
  );
}

/** JSON with sorted keys: the same value has the same text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, nested: unknown) =>
    typeof nested === "object" && nested !== null && !Array.isArray(nested) && !JSON.isRawJSON(nested)
      ? Object.fromEntries(Object.entries(nested).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : nested,
  );
}

/** JSON that YAML readers take for the same: they forbid some characters within quotes and fold others as line breaks. */
export function jsonForYaml(value: unknown): string {
  return JSON.stringify(value, undefined, 1).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function isExact(value: number): boolean {
  return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
}
