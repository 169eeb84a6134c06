import type { Environment } from "../variables.ts";

/** The marks of a display, in the characters and colours that the terminal has. */
export type Look = {
  done: string;
  failed: string;
  warning: string;
  /** One column each. */
  spinner: string;
  full: string;
  empty: string;
  gutter: string;
  dim: (text: string) => string;
};

type Colour = (code: number, text: string) => string;

/** https://no-color.org; beyond ASCII only where the locale says UTF-8 (POSIX: the first that is set decides). */
export function lookOf(env: Environment): Look {
  const colour: Colour = env["NO_COLOR"]
    ? (_, text) => text
    : (code, text) => `\u001b[${code}m${text}\u001b[0m`;
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  const marks = /utf-?8/i.test(locale) ? UNICODE : ASCII;
  return {
    ...marks,
    done: colour(32, marks.done),
    failed: colour(31, marks.failed),
    warning: colour(33, marks.warning),
    dim: (text) => colour(2, text),
  };
}

const UNICODE = {
  done: "✓",
  failed: "✗",
  warning: "!",
  spinner: "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
  full: "━",
  empty: "─",
  gutter: "│",
};

const ASCII: typeof UNICODE = {
  done: "+",
  failed: "x",
  warning: "!",
  spinner: "|/-\\",
  full: "#",
  empty: "-",
  gutter: "|",
};
