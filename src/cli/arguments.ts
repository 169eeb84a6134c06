import { parseArgs } from "node:util";

/** What was typed makes no sense; the command's help is printed with it. */
export class UsageError extends Error {}

/** `flag`: it is there or not; `value`: something follows it. */
export type Options = Record<string, { kind: "flag" | "value"; short?: string }>;

export type Arguments = {
  /** The words that are no flags, in order. */
  words: string[];
  flags: ReadonlySet<string>;
  values: ReadonlyMap<string, string>;
};

/**
 * Reads the arguments of a command.
 * @param names of the words, for complaints; the ones in brackets may be missing, a last one with an ellipsis may come
 *   several times
 * Errors: `UsageError`.
 */
export function readArguments(
  command: string,
  args: readonly string[],
  options: Options = {},
  names: readonly string[] = [],
): Arguments {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { kind, short }]) => [
        name,
        { type: kind === "flag" ? "boolean" : "string", ...(short === undefined ? {} : { short }) } as const,
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words: string[] = [];
  const most = names.at(-1)?.endsWith("…") === true ? Infinity : names.length;
  const flags = new Set<string>();
  const values = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (words.length === most)
        throw new UsageError(`unknown argument ${JSON.stringify(token.value)} of "${command}"`);
      words.push(token.value);
    }
    if (token.kind !== "option") continue;
    const option = options[token.name];
    if (option === undefined)
      throw new UsageError(`unknown flag ${JSON.stringify(args[token.index])} of "${command}"`);
    const value = token.value;
    if (option.kind === "flag") {
      if (value !== undefined) throw new UsageError(`flag "${token.rawName}" takes no value`);
      flags.add(token.name);
    } else {
      if (value === undefined || value === "" || (!token.inlineValue && value.startsWith("-")))
        throw new UsageError(`flag "${token.rawName}" needs a value`);
      values.set(token.name, value);
    }
  }
  const missing = names.slice(words.length).find((name) => !name.startsWith("["));
  if (missing !== undefined) throw new UsageError(`"${command}" needs ${missing}`);
  return { words, flags, values };
}
