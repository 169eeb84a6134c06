import { isSecretKey, redactText } from "./redact.ts";

const MAX_TEXT_LENGTH = 8192;
const MAX_DEPTH = 6;
const MAX_ENTRIES = 100;

/**
 * Any value as plain JSON data: bounded in depth, width and length, free of secrets, never throwing.
 * An `Error` becomes its message, code, stack and cause; its other properties may hold anything and stay out.
 */
export function printable(value: unknown): unknown {
  return convert(value, 0);
}

export function printableText(text: string): string {
  // Secrets are looked for in twice the length that is kept, so that cutting cannot hide the end of one.
  const redacted = redactText(text.slice(0, 2 * MAX_TEXT_LENGTH));
  return redacted.length > MAX_TEXT_LENGTH ? `${redacted.slice(0, MAX_TEXT_LENGTH)}…` : redacted;
}

function convert(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return printableText(value);
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "boolean":
    case "undefined":
      return value;
    case "object":
      return value === null ? null : convertObject(value, depth);
    case "function":
      return "[function]";
    case "bigint":
    case "symbol":
    default:
      return String(value);
  }
}

function convertObject(value: object, depth: number): unknown {
  if (depth >= MAX_DEPTH) return "[too deep]";
  try {
    if (value instanceof Error) return convertError(value, depth);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (value instanceof Map) return convertEntries([...value], depth);
    if (Array.isArray(value) || value instanceof Set) {
      return [...value].slice(0, MAX_ENTRIES).map((item) => convert(item, depth + 1));
    }
    if ("toJSON" in value && typeof value.toJSON === "function") return convert(value.toJSON(), depth + 1);
    return convertEntries(Object.entries(value), depth);
  } catch {
    return "[unprintable]";
  }
}

function convertError(error: Error, depth: number): unknown {
  return {
    message: convert(error.message, depth + 1),
    ...("code" in error ? { code: convert(error.code, depth + 1) } : {}),
    ...(typeof error.stack === "string" ? { stack: printableText(error.stack) } : {}),
    ...(error.cause === undefined ? {} : { cause: convert(error.cause, depth + 1) }),
  };
}

function convertEntries(entries: [unknown, unknown][], depth: number): unknown {
  const kept = entries.slice(0, MAX_ENTRIES).map(([key, value]): [string, unknown] => {
    const name = String(key);
    const isEmpty = value === undefined || value === null || value === "";
    return [printableText(name), isSecretKey(name) && !isEmpty ? "[redacted]" : convert(value, depth + 1)];
  });
  return Object.fromEntries(kept);
}
