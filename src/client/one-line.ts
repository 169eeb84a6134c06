/** What comes from elsewhere cannot move the cursor or break the line. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]+/gu, " ").trim();
}
