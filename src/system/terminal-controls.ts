/** What a terminal obeys: control characters, line and paragraph separators, and those that turn the direction of text. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Each of them as JSON writes it, `\u001b`: seen, and not obeyed. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
