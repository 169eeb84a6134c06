import type { LogLine } from "../test/support/daemon-log.ts";

const INDENT = "   ";
const LABEL_WIDTH = 10;
const LEVEL_WIDTH = 6;
const LOG_WIDTH = 96;

const BOLD = "1";
const DIM = "2";
const GREEN = "32";
const CYAN = "36";

/** Every word the demo prints, one shape for each kind; colour only underlines what the text says anyway. */
export class Show {
  readonly #write: (text: string) => void;
  readonly #isColourful: boolean;

  constructor(write: (text: string) => void, isColourful: boolean) {
    this.#write = write;
    this.#isColourful = isColourful;
  }

  heading(text: string): void {
    this.#write(`\n${this.#paint(BOLD, text)}\n`);
  }

  line(text: string): void {
    this.#write(`${text}\n`);
  }

  /** A part of the scene: `registry  127.0.0.1:5000`. */
  part(name: string, text: string): void {
    this.#indented(`${name.padEnd(LABEL_WIDTH)}${text}`);
  }

  command(text: string): void {
    this.#indented(this.#paint(CYAN, `$ ${text}`));
  }

  /** What a command answered. */
  answer(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.#indented(line);
  }

  /** A line of the daemon's log, reduced to what a reader of the demo needs. */
  log({ level, message, fields }: LogLine): void {
    const reason = [fields?.["reason"], fields?.["cause"]].find((value) => typeof value === "string");
    const words = reason === undefined ? message : `${message}: ${reason.replaceAll("\n", "; ")}`;
    const [first = "", ...rest] = Bun.wrapAnsi(words, LOG_WIDTH).split("\n");
    this.#indented(this.#paint(DIM, `log ${level.padEnd(LEVEL_WIDTH)}${first}`));
    for (const line of rest) this.#indented(this.#paint(DIM, " ".repeat(4 + LEVEL_WIDTH) + line));
  }

  proof(text: string): void {
    this.#indented(this.#paint(GREEN, `proves: ${text}`));
  }

  #indented(text: string): void {
    this.#write(`${INDENT}${text}\n`);
  }

  #paint(code: string, text: string): string {
    return this.#isColourful ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

/** A terminal whose user has not said otherwise (https://no-color.org). */
export function wantsColour(
  stream: { isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && !env["NO_COLOR"];
}
