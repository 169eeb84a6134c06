/**
 * The workflow commands that GitHub's runner reads from the output of a step
 * (docs.github.com, "Workflow commands for GitHub Actions"); each is one line with its newline.
 */

/** From now on the runner writes `***` for each line of the text. */
export function maskCommands(secret: string): string {
  return secret
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== "")
    .map((line) => `::add-mask::${escapeData(line)}\n`)
    .join("");
}

export function groupCommand(title: string): string {
  return `::group::${escapeData(title)}\n`;
}

export const END_GROUP = "::endgroup::\n";

export function errorCommand(title: string, message: string): string {
  return annotation("error", title, message);
}

export function warningCommand(title: string, message: string): string {
  return annotation("warning", title, message);
}

/**
 * Lines of which the runner interprets nothing: it stops looking for commands until it reads the token, which nobody could
 * know beforehand. The mark before each line is for the page that shows the log, and for the problem matchers of other steps.
 */
export function verbatim(lines: readonly string[], token: string): string {
  return `::stop-commands::${token}\n${lines.map((line) => `  | ${line}\n`).join("")}::${token}::\n`;
}

function annotation(kind: "error" | "warning", title: string, message: string): string {
  return `::${kind} title=${escapeProperty(title)}::${escapeData(message)}\n`;
}

function escapeData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
