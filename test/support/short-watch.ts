/** The shortest that still is one: by default a deployment is watched ten seconds, which most tests have no use for. */
const WATCH = "1s";

type Mapping = Record<string, unknown>;

/**
 * The text of a compose file with `x-deployer.watch` in every service that has none of its own. What is written otherwise
 * stays as it is, character by character; a text that is not understood stays as a whole.
 */
export function withShortWatch(text: string): string {
  const before = parse(text);
  if (before === undefined) return text;
  const lines = text.split("\n");
  const names = new Set(
    Object.entries(servicesOf(before) ?? {})
      .filter(([, service]) => isMapping(service) && !hasWatch(service))
      .map(([name]) => name),
  );
  // From the end, so that the lines still to be changed keep their numbers.
  for (const { index, name } of headersOf(lines).toReversed()) if (names.has(name)) insert(lines, index);
  const result = lines.join("\n");
  return isMeant(before, parse(result)) ? result : text;
}

/** The lines that the services of a block `services:` begin with. */
function headersOf(lines: readonly string[]): { index: number; name: string }[] {
  const first = lines.findIndex((line) => /^services:\s*(#.*)?$/.test(line)) + 1;
  if (first === 0) return [];
  const headers: { index: number; name: string }[] = [];
  let indent: number | undefined;
  for (const [offset, line] of lines.slice(first).entries()) {
    if (isBlank(line)) continue;
    indent ??= indentOf(line);
    if (indent === 0 || indentOf(line) < indent) break;
    const name = /^\s*(["']?)([\w.-]+)\1\s*:/.exec(line)?.[2];
    if (indentOf(line) === indent && name !== undefined) headers.push({ index: first + offset, name });
  }
  return headers;
}

function insert(lines: string[], header: number): void {
  const line = lines[header] ?? "";
  if (/^[^{]*:\s*\{/.test(line)) {
    lines[header] = /[{,]\s*x-deployer:\s*\{/.test(line)
      ? line.replace(/(x-deployer:\s*\{)/, `$1 watch: ${WATCH},`)
      : line.replace("{", `{ x-deployer: { watch: ${WATCH} },`);
    return;
  }
  const body = lines.slice(header + 1);
  const length = body.findIndex((next) => !isBlank(next) && indentOf(next) <= indentOf(line));
  const own = length === -1 ? body : body.slice(0, length);
  const first = own.find((next) => !isBlank(next)) ?? "";
  const setting = own.findIndex((next) => indentOf(next) === indentOf(first) && /^\s*x-deployer:/.test(next));
  if (setting === -1) {
    lines.splice(header + 1, 0, `${" ".repeat(indentOf(first))}x-deployer: { watch: ${WATCH} }`);
    return;
  }
  const at = header + 1 + setting;
  const written = lines[at] ?? "";
  if (written.includes("{")) lines[at] = written.replace("{", `{ watch: ${WATCH},`);
  else lines.splice(at + 1, 0, `${" ".repeat(indentOf(lines[at + 1] ?? ""))}watch: ${WATCH}`);
}

/** Nothing else has changed. */
function isMeant(before: Mapping, after: Mapping | undefined): boolean {
  const meant = structuredClone(before);
  for (const service of Object.values(servicesOf(meant) ?? {})) {
    if (!isMapping(service) || hasWatch(service)) continue;
    const settings = service["x-deployer"];
    service["x-deployer"] = { ...(isMapping(settings) ? settings : {}), watch: WATCH };
  }
  return Bun.deepEquals(after, meant);
}

function servicesOf(file: Mapping): Mapping | undefined {
  const services = file["services"];
  return isMapping(services) ? services : undefined;
}

function hasWatch(service: Mapping): boolean {
  const settings = service["x-deployer"];
  return isMapping(settings) && "watch" in settings;
}

function parse(text: string): Mapping | undefined {
  try {
    const value: unknown = Bun.YAML.parse(text);
    return isMapping(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isBlank(line: string): boolean {
  return /^\s*(#.*)?$/.test(line);
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
