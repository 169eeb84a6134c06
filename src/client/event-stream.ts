/** One message of an event stream. */
export type Message = { event: string; data: string };

/**
 * The messages of an event stream (HTML standard, 9.2.6) as our own daemon writes them: LF ends a line, one `data` a
 * message. Comments, and a message that is cut off in the middle, are left out.
 */
export async function* readMessages(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Message, void, undefined> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const message = parse(part);
      if (message !== undefined) yield message;
    }
  }
}

function parse(part: string): Message | undefined {
  const fields = new Map(
    part.split("\n").map((line): [string, string] => {
      const colon = line.indexOf(":");
      return colon === -1 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    }),
  );
  const data = fields.get("data");
  return data === undefined ? undefined : { event: fields.get("event") ?? "message", data };
}
