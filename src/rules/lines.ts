import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter } from "yaml";

/** The line of what these keys lead to, or of the last of them that is there. Of a key itself the line is where it is written. */
export function lineOf(path: readonly PropertyKey[], document: Document.Parsed, lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const key of path) {
    const next = child(isAlias(node) ? node.resolve(document) : node, key);
    if (next === undefined) break;
    ({ node, offset } = next);
  }
  return lines.linePos(offset).line;
}

function child(node: unknown, key: PropertyKey): { node: unknown; offset: number } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)];
    return isNode(item) && item.range ? { node: item, offset: item.range[0] } : undefined;
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key: own }) => isScalar(own) && own.value === key);
  return pair !== undefined && isScalar(pair.key) && pair.key.range
    ? { node: pair.value, offset: pair.key.range[0] }
    : undefined;
}
