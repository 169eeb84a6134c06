/** The words of the command line. stdout is the result, stderr the talk; lower case, no full stop, a hint with every error. */

const COMMANDS = ["serve", "check", "version"] as const;
export type CommandName = (typeof COMMANDS)[number];

export function isCommandName(word: string): word is CommandName {
  return COMMANDS.some((name) => name === word);
}

export const USAGE = `deployer-service - continuous delivery for one Docker host

Usage:
  deployer-service [command]

Commands:
  serve     run the daemon (what happens without a command)
  check     look at everything the daemon needs, say what to do about what is missing
  jwt       sign, verify and make keys for the tokens of the webhook: sign | verify | keygen | version
  version   print the version

The daemon is configured by environment variables; "deployer-service serve --help" lists them.
"deployer-service <command> --help" explains a command.
`;

export const COMMAND_HELP: Record<CommandName, string> = {
  serve: `deployer-service serve - run the daemon

Environment:
  JWT_PUBLIC_KEY_PATH   public key that tokens are verified with: a PEM file, or a directory of them (required)
  DOCKER_COMPOSE_FILE   path of the compose file (required)
  AWS_REGION            region of the registry (required for REGISTRY_AUTH=ecr)
  ECR_DOMAIN            <account>.dkr.ecr.<region>.amazonaws.com, or ECR_ACCOUNT_ID alone (likewise)
  DEBUG_MODE            true or false (required)
  PORT                  port to listen on (8686)
  BIND_ADDRESS          address to listen on (all interfaces)
  STATE_DIR             database and generated files (/var/lib/deployer-service for root)
  RUN_DIR               run-time files (/run/deployer-service for root)
  REGISTRY_AUTH         ecr, docker (the docker command's own credentials) or none (ecr)
  JWT_ISSUERS           accepted iss claims, comma-separated (any)
  JWT_MAX_LIFETIME      longest life of a token from now, in seconds (3600)
  LOG_TIMEZONE          time zone of the log (America/Chicago)

DOCKER_HOST, proxy variables and those of the AWS SDK are honoured.
Log lines are JSON on stdout. SIGTERM finishes the running deployment, then ends with 0.
`,
  check: `deployer-service check [--json] - look at everything the daemon needs

Judges the environment of the shell it is called from. One line each, pass or fail with what to do.
Exit code 0 when all passed, 1 when something failed.

  --json   print the result as JSON
`,
  version: `deployer-service version - print the version
`,
};

/** What to say to a word that means nothing here. */
export function unknownWord(word: string, command?: CommandName): string {
  const kind = word.startsWith("-") ? "flag" : command === undefined ? "command" : "argument";
  const where = command === undefined ? "" : ` of "${command}"`;
  const help = command === undefined ? USAGE : COMMAND_HELP[command];
  return `deployer-service: unknown ${kind} ${JSON.stringify(word)}${where}\n\n${help}`;
}

export function checkLine({ name, ok, detail }: { name: string; ok: boolean; detail: string }): string {
  return `${ok ? "pass" : "FAIL"}  ${name}: ${detail.replaceAll("\n", "\n      ")}\n`;
}

export function checkSummary(failed: number): string {
  const environment = "judged with the environment of this shell, not of a running daemon";
  return failed === 0 ? `all checks passed (${environment})\n` : `${failed} failed (${environment})\n`;
}
