import { readFileSync } from "node:fs";
import { basename } from "node:path";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type YAMLMap,
} from "yaml";

import { nowhere, type WhereIs } from "../core/problem.ts";

/** Above these nothing of what is wrong is in this file; below them the last key that is there is the one to change. */
const OF_A_SERVICE = ["services", "name", "key"].length;

/** The lines of the compose file as it is now. One that cannot be read has none: Compose says what is wrong with it. */
export function linesIn(path: string): WhereIs {
  try {
    return linesOf(basename(path), readFileSync(path, "utf8"));
  } catch {
    return nowhere;
  }
}

/**
 * Where things stand in a compose file. What has come from another file (`include`, `extends`) has no line, nor has
 * anything in a file that is no YAML: better none than a wrong one. What a merge key or an alias brings has the line of
 * its anchor. The file is read as YAML when it is asked for the first time.
 * @param name of the file, for people
 */
export function linesOf(name: string, text: string): WhereIs {
  let lineOf: LineOf | undefined;
  return (keys) => {
    lineOf ??= parse(text);
    const line = lineOf(keys);
    return line === undefined ? "" : `${name}:${line}: `;
  };
}

type LineOf = (keys: readonly string[]) => number | undefined;

function parse(text: string): LineOf {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, stringKeys: true, logLevel: "error" });
  if (document.errors.length > 0) return () => undefined;
  return (keys) => {
    const offset = find(keys, document);
    return offset === undefined ? undefined : lineCounter.linePos(offset).line;
  };
}

/** Where the last of these keys is, or the last that is there. */
function find(keys: readonly string[], document: Document.Parsed): number | undefined {
  const atLeast = keys[0] === "services" ? OF_A_SERVICE : 1;
  let found: Found = { node: document.contents, offset: 0 };
  for (const [depth, key] of keys.entries()) {
    const mayBeExtended = depth === OF_A_SERVICE - 1 && key !== "x-deployer";
    const isElsewhere = mayBeExtended && child(found.node, "extends", document) !== undefined;
    const next = isElsewhere ? undefined : child(found.node, key, document);
    if (next === undefined) return depth < atLeast ? undefined : found.offset;
    found = next;
  }
  return found.offset;
}

type Found = { node: unknown; offset: number };

/** @param seen mappings that do not have the key: anchors may lead in circles, or many times to one place */
function child(
  node: unknown,
  key: string,
  document: Document.Parsed,
  seen: Set<YAMLMap> = new Set(),
): Found | undefined {
  const target = isAlias(node) ? node.resolve(document) : node;
  if (isSeq(target)) {
    const item = target.items[Number(key)];
    return isNode(item) && item.range ? { node: item, offset: item.range[0] } : undefined;
  }
  if (!isMap(target) || seen.has(target)) return undefined;
  seen.add(target);
  for (const { key: own, value } of target.items)
    if (isScalar(own) && own.value === key && own.range) return { node: value, offset: own.range[0] };
  for (const { key: own, value } of target.items) {
    if (!isScalar(own) || own.value !== "<<") continue;
    for (const source of isSeq(value) ? value.items : [value]) {
      const inherited = child(source, key, document, seen);
      if (inherited !== undefined) return inherited;
    }
  }
  return undefined;
}
