import { z } from "zod";

const Line = z.object({
  fields: z.record(z.string(), z.unknown()).optional(),
  level: z.string(),
  timestamp: z.string(),
  message: z.string(),
});

export type LogLine = z.infer<typeof Line>;

const TAIL = 20;

/** What a daemon prints: its JSON lines as values, anything else as noise. */
export class LogLines {
  readonly entries: LogLine[] = [];
  readonly #raw: string[] = [];
  noise = "";

  async readFrom(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#add(line);
    }
    if (rest !== "") this.#add(rest);
  }

  /** The last lines as they were printed. */
  tail(): string {
    return this.#raw.slice(-TAIL).join("\n");
  }

  #add(text: string): void {
    this.#raw.push(text);
    const entry = parse(text);
    if (entry === undefined) this.noise += `${text}\n`;
    else this.entries.push(entry);
  }
}

function parse(text: string): LogLine | undefined {
  try {
    return Line.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
