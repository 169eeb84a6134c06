/** A flag as Go's `flag` package knows it: `-name value`, `-name=value`, one dash or two. */
export type Flag = { default: string; help: string; check?: (value: string) => string | undefined };

/** `values` has every flag's value; `help` and `problem` end the command with its usage. */
export type ParsedFlags<Name extends string> =
  { kind: "values"; values: Record<Name, string> } | { kind: "help" } | { kind: "problem"; message: string };

/**
 * Parses arguments with the manners and words of Go's `flag` package: a value may begin with a dash, the last of two
 * wins, `--` or the first argument that is no flag ends the flags, and what follows is ignored.
 * `check` returns what is wrong with a value.
 */
export function parseGoFlags<Name extends string>(
  flags: Record<Name, Flag>,
  args: readonly string[],
): ParsedFlags<Name> {
  const known = new Map<string, Flag>(Object.entries(flags));
  const values = new Map([...known].map(([name, flag]) => [name, flag.default]));
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--" || arg.length < 2 || !arg.startsWith("-")) break;
    const [, text = ""] = /^--?(.*)$/s.exec(arg) ?? [];
    if (text === "" || text.startsWith("-") || text.startsWith("="))
      return problem(`bad flag syntax: ${arg}`);
    const equals = text.indexOf("=");
    const name = equals === -1 ? text : text.slice(0, equals);
    const flag = known.get(name);
    if (flag === undefined) {
      return name === "help" || name === "h"
        ? { kind: "help" }
        : problem(`flag provided but not defined: -${name}`);
    }
    const value = equals === -1 ? rest.shift() : text.slice(equals + 1);
    if (value === undefined) return problem(`flag needs an argument: -${name}`);
    const wrong = flag.check?.(value);
    if (wrong !== undefined)
      return problem(`invalid value ${JSON.stringify(value)} for flag -${name}: ${wrong}`);
    values.set(name, value);
  }
  return { kind: "values", values: Object.fromEntries(values) as Record<Name, string> };
}

/** The flags of one command, one a paragraph, for its usage. */
export function describeFlags(flags: Record<string, Flag>): string {
  return Object.entries(flags)
    .map(
      ([name, flag]) =>
        `  --${name}\n    \t${flag.help}${flag.default === "" ? "" : ` (default ${flag.default})`}\n`,
    )
    .join("");
}

/** A `check` for whole numbers of seconds. */
export function wholeNumber(value: string): string | undefined {
  if (!/^[+-]?\d+$/.test(value)) return "parse error";
  return Number.isSafeInteger(Number(value)) ? undefined : "value out of range";
}

function problem(message: string): { kind: "problem"; message: string } {
  return { kind: "problem", message };
}
