import { type Document, LineCounter, parseDocument } from "yaml";
import { z } from "zod";

import { DeployerError, publicMessage } from "../core/errors.ts";
import type { Issuer } from "../core/rules.ts";
import { type Complaint, complaintsOf, type Path, sayPath } from "./complaints.ts";
import { issuerFrom } from "./issuer.ts";
import { lineOf } from "./lines.ts";
import { KeyIssuerEntry, OidcIssuerEntry } from "./schema.ts";

/** The keys at a path, each by its fingerprint. Errors: `config`, saying what is wrong with them. */
export type KeysAt = (path: string) => readonly { fingerprint: string }[];

const Outline = z.strictObject({
  issuers: z
    .array(z.looseObject({}, "must have a name, and an issuer or a public_key"), {
      error: "must be a list of issuers",
    })
    .min(1, "must not be empty"),
});

type Entry = Readonly<Record<string, unknown>>;
type KeyEntry = z.infer<typeof KeyIssuerEntry>;

/**
 * The issuers that a rules file names. Errors: `config`, with everything that is wrong with it, each thing in a line of its
 * own with file, line and what to do.
 * @param file its path, for people
 */
export function readRules(file: string, text: string, keysAt: KeysAt): Issuer[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: "error" });
  const where = (path: Path): string => `${file}:${lineOf(path, document, lines)}`;
  if (document.errors.length > 0)
    throw refused(
      document.errors.map(
        ({ message, linePos }) => `${file}:${linePos?.[0].line ?? 1}: ${firstLine(message)}`,
      ),
    );

  const { issuers, complaints } = parse(valueOf(document, file), keysAt, where);
  if (complaints.length === 0) return issuers;
  const said = complaints
    .map(({ path, message }) => ({ line: lineOf(path, document, lines), text: `${sayPath(path)}${message}` }))
    .toSorted((a, b) => a.line - b.line);
  throw refused(said.map(({ line, text }) => `${file}:${line}: ${text}`));
}

function parse(
  value: unknown,
  keysAt: KeysAt,
  where: (path: Path) => string,
): { issuers: Issuer[]; complaints: Complaint[] } {
  const outline = Outline.safeParse(value ?? {});
  if (!outline.success) return { issuers: [], complaints: complaintsOf(outline.error.issues, []) };
  const issuers: Issuer[] = [];
  const complaints: Complaint[] = [];
  const fingerprints = new Map<string, string>();
  for (const [index, entry] of outline.data.issuers.entries()) {
    const path = ["issuers", index];
    complaints.push(...twice(entry, outline.data.issuers.slice(0, index), path));
    const schema = "public_key" in entry ? KeyIssuerEntry : OidcIssuerEntry;
    const parsed = schema.safeParse(entry);
    if (!parsed.success) {
      complaints.push(...complaintsOf(parsed.error.issues, path));
      continue;
    }
    if ("public_key" in parsed.data) complaints.push(...judgeKeys(parsed.data, keysAt, fingerprints, path));
    issuers.push(issuerFrom(parsed.data, (rule) => where([...path, "rules", rule])));
  }
  return { issuers, complaints };
}

function twice(entry: Entry, earlier: readonly Entry[], path: Path): Complaint[] {
  const isTaken = (key: string): boolean =>
    key in entry && earlier.some((other) => other[key] === entry[key]);
  return [
    ...(isTaken("name") ? [{ path: [...path, "name"], message: "is the name of another issuer too" }] : []),
    ...(isTaken("issuer")
      ? [{ path: [...path, "issuer"], message: "is there already: put the rules of an issuer together" }]
      : []),
  ];
}

/** A key that two issuers have would make a caller now the one, now the other. */
function judgeKeys(
  { name, public_key }: KeyEntry,
  keysAt: KeysAt,
  known: Map<string, string>,
  path: Path,
): Complaint[] {
  const complain = (message: string): Complaint[] => [{ path: [...path, "public_key"], message }];
  try {
    for (const { fingerprint } of keysAt(public_key)) {
      const other = known.get(fingerprint);
      if (other !== undefined && other !== name)
        return complain(`has a key of issuer ${JSON.stringify(other)}: put the rules of a key together`);
      known.set(fingerprint, name);
    }
    return [];
  } catch (error) {
    if (!(error instanceof DeployerError)) throw error;
    return complain(publicMessage(error));
  }
}

function valueOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    // Aliases that would grow beyond all bounds.
    throw new DeployerError("config", `${file}: it cannot be read as YAML`, { cause });
  }
}

function firstLine(message: string): string {
  return (message.split("\n", 1)[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}

function refused(problems: readonly string[]): DeployerError {
  return new DeployerError("config", problems.join("\n"));
}
