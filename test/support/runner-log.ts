/** What GitHub's runner makes of the output of a step (actions/runner, ActionCommandManager.cs and ActionCommand.cs). */
export type RunnerLog = {
  /** In their order; those it was told to stop looking for are text. */
  commands: RunnerCommand[];
  /** Every line that is no command, with `***` for what is masked. */
  text: string[];
};

type RunnerCommand = { name: string; properties: Record<string, string>; data: string };

const COMMANDS = new Set([
  "add-mask",
  "add-matcher",
  "add-path",
  "debug",
  "echo",
  "endgroup",
  "error",
  "group",
  "notice",
  "remove-matcher",
  "save-state",
  "set-env",
  "set-output",
  "stop-commands",
  "warning",
]);

export function readLog(printed: string): RunnerLog {
  const log: RunnerLog = { commands: [], text: [] };
  const masks: string[] = [];
  let stopToken: string | undefined;
  // .NET ends a line at any of the three.
  for (const line of printed.split(/\r\n|\r|\n/)) {
    const command = parseCommand(line, stopToken);
    if (stopToken !== undefined && command?.name === stopToken) {
      stopToken = undefined;
      continue;
    }
    if (stopToken !== undefined || command === undefined) {
      if (line !== "") log.text.push(masked(line, masks));
      continue;
    }
    log.commands.push(command);
    if (command.name === "add-mask") masks.push(command.data);
    if (command.name === "stop-commands") stopToken = command.data.toLowerCase();
  }
  return log;
}

/** `::name a=b,c=d::data` at the beginning of a line, or `##[name a=b;c=d]data` anywhere in it. */
function parseCommand(line: string, stopToken: string | undefined): RunnerCommand | undefined {
  const isKnown = (name: string): boolean => COMMANDS.has(name) || name === stopToken;
  const [, info = "", data = ""] = /^\s*::(.*?)::(.*)$/s.exec(line) ?? [];
  const [name = "", ...properties] = info.split(" ");
  if (isKnown(name.toLowerCase()))
    return {
      name: name.toLowerCase(),
      properties: parseProperties(properties.join(" "), ","),
      data: unescape(data),
    };
  const [, oldInfo = "", oldData = ""] = /##\[([^\]]*)\](.*)$/s.exec(line) ?? [];
  const [oldName = "", ...oldProperties] = oldInfo.split(" ");
  if (!isKnown(oldName.toLowerCase())) return undefined;
  return {
    name: oldName.toLowerCase(),
    properties: parseProperties(oldProperties.join(" "), ";"),
    data: unescape(oldData),
  };
}

function parseProperties(text: string, separator: string): Record<string, string> {
  const pairs = text.split(separator).filter((pair) => pair.includes("="));
  return Object.fromEntries(
    pairs.map((pair) => {
      const value = pair.slice(pair.indexOf("=") + 1);
      return [
        pair.slice(0, pair.indexOf("=")).trim(),
        unescape(value.replaceAll("%3A", ":").replaceAll("%2C", ",")),
      ];
    }),
  );
}

function unescape(text: string): string {
  return text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%25", "%");
}

function masked(line: string, masks: readonly string[]): string {
  return masks.reduce((text, mask) => (mask === "" ? text : text.replaceAll(mask, "***")), line);
}
