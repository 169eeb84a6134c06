import { DEFAULT_ISSUER, KEY_VARIABLE } from "./signing-key.ts";

/** What the command line says of itself: lower case, no full stop, a hint with every mistake. */

const COMMANDS = [
  "serve",
  "check",
  "status",
  "history",
  "logs",
  "deploy",
  "rollback",
  "restart",
  "up",
  "order",
  "rejected",
  "compose",
  "version",
] as const;
export type CommandName = (typeof COMMANDS)[number];

export function isCommandName(word: string): word is CommandName {
  return COMMANDS.some((name) => name === word);
}

export const USAGE = `deployer-service - continuous delivery for one Docker host

Usage:
  deployer-service [command]

The daemon:
  serve      run it (what happens without a command)
  check      look at everything it needs, say what to do about what is missing

On its host, while it runs, or from elsewhere with --url:
  deploy     roll out an image, or several services as one, and say how it ended
  rollback   go back to the version before, or to that of an earlier deployment
  status     what should run, what runs, what can be gone back to
  history    the deployments
  logs       the story of a deployment

On its host, while it runs:
  restart    restart the containers of a service as they are
  up         bring up what the compose file has and the host has not
  order      forget the newest CI run of a service: order reset SERVICE
  rejected   requests that were refused for want of a good token, and why
  compose    docker compose with the daemon's files, pins and environment

  jwt        sign, verify and make keys for the tokens of the webhook: sign | verify | keygen | version
  version    print the version

The daemon is configured by environment variables; "deployer-service serve --help" lists them.
"deployer-service help <command>" explains a command.
`;

const SOCKET = `The daemon is asked through control.sock in RUN_DIR (/run/deployer-service): be root, or in the group docker.
`;

const REMOTE = `The daemon of this host is asked through control.sock in RUN_DIR (/run/deployer-service): be root, or in the group
docker. One elsewhere, by its port:

  --url URL           https://HOST[:PORT] of the daemon (http:// too), and one of
  --key FILE          private key (PEM); its public one is among the daemon's
  --key-env VARIABLE  environment variable with the key, as PEM or its base64 (${KEY_VARIABLE})
  --oidc              no key: the token of this GitHub Actions job (permissions: id-token: write)
  --iss NAME          issuer in the tokens that the key signs (${DEFAULT_ISSUER})
  --audience NAME     audience that the rules of the daemon ask for with --oidc (the URL)
  --ca FILE           certificates of the authorities to trust instead of the public ones

Every request has a token of its own, good for nothing else.
`;

const EXIT_CODES_ON_HOST = `Exit code: 0 done, 1 failed, 2 usage, 6 not authorized, 7 no daemon that answers.
`;

const EXIT_CODES_OF_QUESTIONS = `Exit code: 0 answered, 2 usage, 6 not authorized, 7 no daemon that answers.
`;

const EXIT_CODES = `Exit code: 0 succeeded, 1 failed, 2 usage, 3 rolled back, 4 superseded, 5 rollback failed, 6 not authorized,
7 no daemon that answers.
`;

export const COMMAND_HELP: Record<CommandName, string> = {
  serve: `deployer-service serve - run the daemon

Environment:
  JWT_PUBLIC_KEY_PATH   public key that tokens are verified with: a PEM file, or a directory of them (required without rules)
  DOCKER_COMPOSE_FILE   path of the compose file (required)
  AWS_REGION            region of the registry (required for REGISTRY_AUTH=ecr)
  ECR_DOMAIN            <account>.dkr.ecr.<region>.amazonaws.com (likewise, or ECR_ACCOUNT_ID)
  ECR_ACCOUNT_ID        the account alone, instead of ECR_DOMAIN
  DEBUG_MODE            true or false (required)
  PORT                  port to listen on (8686)
  BIND_ADDRESS          address to listen on (all interfaces)
  STATE_DIR             database and generated files (/var/lib/deployer-service for root)
  RUN_DIR               control.sock, for the commands on the host (/run/deployer-service for root)
  TLS_CERT_FILE         certificate, with those of its issuers, for HTTPS on the port (plain HTTP)
  TLS_KEY_FILE          its private key; both are taken anew when they change
  REGISTRY_AUTH         ecr, docker (the docker command's own credentials) or none (ecr)
  RULES_FILE            who may deploy what (/etc/deployer-service/rules.yml if it is there); none: nobody is asked for rules
  JWT_ISSUERS           accepted iss claims, comma-separated (any)
  JWT_MAX_LIFETIME      longest life of a token from now, in seconds (3600)
  JWT_STRICT            true: a token that starts something must be good once (jti) and for one request (req)
  TRUSTED_PROXIES       addresses and networks whose X-Forwarded-For is believed, comma-separated (none)
  LOG_TIMEZONE          time zone of the log (America/Chicago)

DOCKER_HOST, proxy variables and those of the AWS SDK are honoured; NODE_EXTRA_CA_CERTS names a file with further
authorities, for a GitHub Enterprise Server of your own.
Log lines are JSON on stdout. SIGTERM finishes the running deployment, then ends with 0; what keeps it from starting is
said at once, all of it, exit code 1.
`,
  check: `deployer-service check [--here] [--json] - look at everything the daemon needs

Judges the environment of the daemon if one runs, else that of the shell it is called from, and says which.
One line each: pass, skip (what it rests on has failed) or FAIL with what to do. Without a running daemon give it the unit's
environment, or set the variables by hand. Exit code 0 when all passed, 1 when something failed, 2 usage.

  --here   judge the environment of this shell, also while a daemon runs
  --json   print the result as JSON
`,
  status: `deployer-service status [SERVICE] [--json] [--url URL …] - what should run, what runs, what can be gone back to

Of each service: its containers, health, image and digest, since when and by which deployment, then how it differs from the
compose file, the versions "rollback --to" can go back to, and the newest CI run of each workflow (see "order --help").
Then the deployments that run or wait. The newest CI runs are told on the host only.

  --json   print all there is to know as JSON

${EXIT_CODES_OF_QUESTIONS}
${REMOTE}`,
  history: `deployer-service history [SERVICE] [--status STATUS] [--limit N] [--json] [--url URL …] - the deployments, newest first

  --status STATUS   only those that are queued, running, succeeded, failed, rolled_back, rollback_failed or superseded
  --limit N         at most so many (20)
  --json            print them as JSON

${EXIT_CODES_OF_QUESTIONS}
${REMOTE}`,
  logs: `deployer-service logs ID [-f] [--json] [--url URL …] - the story of a deployment

  -f, --follow   go on until it has ended, also over a restart of the daemon
  --json         print the events as JSON; with -f one a line, then the deployment

${EXIT_CODES_OF_QUESTIONS}With -f it is that of the deployment: 1 failed, 3 rolled back, 4 superseded, 5 rollback failed.

${REMOTE}`,
  deploy: `deployer-service deploy SERVICE… [--image REF] [--url URL …] - roll out an image and say how it ended

Several services are one deployment: all pass the gate, or all go back. What happens is told on stderr, on a terminal with a
display that moves, the end on stdout. A connection that is lost, or a daemon that is restarted, costs nothing: the story is
taken up where it was, and what was accepted is never begun twice. Ctrl-C ends the telling, not the deployment.

  --image REF      the image to roll out, of a repository that the service may run (the one the compose file names)
  --force          also when nothing has changed, and also when a newer CI run was here
  --run RUN        the CI run that asks, as WORKFLOW:NUMBER[:ATTEMPT]: an older one than the newest is refused
  --no-wait        end as soon as it is accepted
  --timeout TIME   wait so long at most, as 90s or 10m; the deployment goes on
  --json           print the deployment as JSON when it has ended, or is accepted

${REMOTE}
${EXIT_CODES}`,
  rollback: `deployer-service rollback SERVICE [--to ID] [--url URL …] - go back to the version before, or to that of an earlier deployment

Image and configuration of then, gated like every deployment; works without the registry. "status" lists the versions that
can be gone back to.

  --to ID          to the version that this deployment brought
  --no-wait        end as soon as it is accepted
  --timeout TIME   wait so long at most, as 90s or 10m; the rollback goes on
  --json           print the deployment as JSON when it has ended, or is accepted

${REMOTE}
${EXIT_CODES}`,
  restart: `deployer-service restart SERVICE [--json] - restart the containers of a service as they are

In its turn, one container after the other, each until it is up again. Neither image nor configuration change.

  --json   print the result as JSON

${EXIT_CODES_ON_HOST}
${SOCKET}`,
  up: `deployer-service up [--json] - bring up what the compose file has and the host has not

Services without a container are brought up. Those that differ from the compose file are deployed as it says, gated like
every deployment, with the image they run unless the file names another. What a person stopped is left alone.

  --json   print what was done as JSON

${EXIT_CODES}
${SOCKET}`,
  order: `deployer-service order reset SERVICE [--json] - forget the newest CI run of a service

A run that is older than the newest one of its workflow is refused. After a reset, as when a workflow was made anew and
counts from 1 again, the next run is accepted whatever its number.

  --json   print the result as JSON

${EXIT_CODES_ON_HOST}
${SOCKET}`,
  rejected: `deployer-service rejected [--limit N] [--json] - requests that were refused for want of a good token, newest first

Callers learn no more than "unauthorized" or "forbidden"; here stands why, and what the token said of itself. Claims are
"verified" when the token was good and only its request was refused; else anybody may have written them. Of a flood most
requests are only counted. The last 800 are kept, and the last 200 of good tokens.

  --limit N   at most so many (20)
  --json      print them as JSON, with all claims; the table has those that tell who asked

${EXIT_CODES_ON_HOST}
${SOCKET}`,
  compose: `deployer-service compose -- ARGS - docker compose with the daemon's files, pins and environment

What to use instead of a bare "docker compose", which would go back to the images of the compose file:
  deployer-service compose -- ps
  deployer-service compose -- up -d db

Commands that change something wait for running deployments, and deployments wait for them; "exec", "logs" and others that
only look do not. It runs in the daemon's folder: name files by their absolute path. The exit code is Compose's.
Who may not read the daemon's environment (be root, or its user) can only look.

${SOCKET}`,
  version: `deployer-service version - print the version
`,
};

/** What to say to a first word that means nothing. */
export function unknownCommand(word: string): string {
  const kind = word.startsWith("-") ? "flag" : "command";
  return `${USAGE}\ndeployer-service: unknown ${kind} ${JSON.stringify(word)}\n`;
}

/** What to say to wrong arguments of a command: how it is called, where to read more, and last what is wrong. */
export function mistake(problem: string, name: CommandName): string {
  const [call = ""] = COMMAND_HELP[name].split(" - ", 1);
  return `Usage: ${call}\n"deployer-service help ${name}" says more.\ndeployer-service: ${problem}\n`;
}
