import { BASE_ENV } from "./run.ts";
import { stage } from "./stage.ts";

/** A command of the program in a terminal. @returns its exit code, and all that was written to the terminal */
export async function inTerminal(
  args: readonly string[],
  columns: number,
): Promise<{ exitCode: number; written: string }> {
  const decoder = new TextDecoder();
  let written = "";
  const child = Bun.spawn([stage().binary, ...args], {
    env: { ...BASE_ENV, TERM: "xterm-256color", NO_COLOR: "1" },
    terminal: {
      cols: columns,
      rows: 24,
      data: (_, bytes) => void (written += decoder.decode(bytes, { stream: true })),
    },
  });
  return { exitCode: await child.exited, written };
}
