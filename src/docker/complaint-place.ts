import { linesIn } from "./lines.ts";

/**
 * The patterns of compose-go's schema, interpolation, decoder and consistency check that name a place in the file and no
 * line, as Compose 2.26.1 prints them.
 */
const VALIDATING = /^validating (\S.*?\.ya?ml): /;
const ADDITIONAL = /^(\S+) Additional property (\S+) is not allowed/;
const PATH = /(?:^| )((?:services|networks|volumes|configs|secrets)\.[\w.[\]-]+)/;
const DECODED = /'services\[([^\]]+)\]\.([\w.]+)/;
const OF_SERVICE = /\bservice "([^"]+)"/;
const WITH_LINE = /\bline \d/;

/**
 * What Compose says is wrong with a file, with the line where that is: it tells one only of broken YAML. Of what stands in a
 * file that is included or extended, the line there.
 * @param complaint as `complaint()` gives it
 */
export function placed(complaint: string, composeFile: string): string {
  if (WITH_LINE.test(complaint)) return complaint;
  const file = VALIDATING.exec(complaint)?.[1];
  const text = complaint.replace(VALIDATING, "");
  const keys = keysIn(text);
  const place = keys === undefined ? "" : linesIn(file ?? composeFile)(keys);
  return place === "" ? complaint : `${place}${text}`;
}

function keysIn(text: string): string[] | undefined {
  const additional = ADDITIONAL.exec(text);
  if (additional?.[1] !== undefined && additional[2] !== undefined)
    return additional[1] === "(root)" ? [additional[2]] : [...keysOf(additional[1]), additional[2]];
  const decoded = DECODED.exec(text);
  if (decoded?.[1] !== undefined && decoded[2] !== undefined)
    return ["services", decoded[1], ...keysOf(decoded[2])];
  const path = PATH.exec(text)?.[1];
  if (path !== undefined) return keysOf(path);
  const service = OF_SERVICE.exec(text)?.[1];
  return service === undefined ? undefined : ["services", service];
}

/** Where Compose leaves out which item of a list it is, the list itself. */
function keysOf(path: string): string[] {
  const keys = path.replace(/\.$/, "").split(".");
  const item = keys.indexOf("[]");
  return item === -1 ? keys : keys.slice(0, item);
}
