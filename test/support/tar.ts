export type TarEntry =
  | { path: string; mode: number; content: Uint8Array | string }
  | { path: string; link: string }
  | { path: string; mode: number; folder: true };

const BLOCK = 512;

/** A POSIX ustar archive (IEEE Std 1003.1, pax): owner root, time 0, so equal entries give equal bytes. */
export function tar(entries: readonly TarEntry[]): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  for (const entry of entries) {
    const content = "content" in entry ? toBytes(entry.content) : new Uint8Array();
    blocks.push(header(entry, content.length), content, new Uint8Array(-content.length & (BLOCK - 1)));
  }
  blocks.push(new Uint8Array(2 * BLOCK));
  return Bun.concatArrayBuffers(blocks, Number.POSITIVE_INFINITY, true);
}

/** What no compression makes smaller. */
export function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let start = 0; start < count; start += 65_536)
    crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  return bytes;
}

function header(entry: TarEntry, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, offset: number) => block.set(toBytes(text), offset);
  put(entry.path, 0);
  put(octal("mode" in entry ? entry.mode : 0o777, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(size, 11), 124);
  put(octal(0, 11), 136);
  put(" ".repeat(8), 148);
  put("link" in entry ? "2" : "folder" in entry ? "5" : "0", 156);
  if ("link" in entry) put(entry.link, 157);
  put("ustar\u000000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function toBytes(content: Uint8Array | string): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : content;
}
