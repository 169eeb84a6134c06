import { parseArgs } from "node:util";

import { unlessAborted } from "../src/core/wait.ts";
import { setScene } from "./scene.ts";
import { Show, wantsColour } from "./show.ts";
import { stayUp } from "./stay-up.ts";
import { tellStory } from "./story.ts";

const DEFAULT_HOST = "unix:///var/run/docker.sock";
const USAGE = "usage: npm run demo [-- --keep]";
const HELP = `${USAGE}

Shows the whole loop on this machine, without an AWS account: a registry that asks for ECR's tokens, a stand-in for
AWS's ECR API, the built daemon and a Compose project of two services. Deploys by signed webhook, lets the registry
token expire, deploys a broken version, sends a forged token. Then removes everything it made.

  --keep   stay up afterwards and print commands to play with, until Ctrl-C
  --help   this text

It works on the Docker Engine of DOCKER_HOST (default ${DEFAULT_HOST}) if that answers, otherwise, as root,
on a private one. As root on Debian and Ubuntu it installs what is missing; elsewhere it says what to install.

exit codes: 0 every step showed what it should, 1 one did not or something is missing, 2 usage, 130 interrupted
`;

/** Of the daemon's log, when a step fails. */
const LOG_LINES = 10;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => stop.abort(new Error(`interrupted by ${signal}`)));
}
process.stdout.on("error", () => stop.abort(new Error("nobody reads the output any more")));
process.exit(await main(process.argv.slice(2)));

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    process.stderr.write(`${options}\n${USAGE}\n`);
    return EXIT_USAGE;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  try {
    await perform(options.keep);
    return 0;
  } catch (error) {
    process.stderr.write(`\ndemo: ${messageOf(error)}\n`);
    return stop.signal.aborted ? EXIT_INTERRUPTED : EXIT_FAILED;
  }
}

async function perform(keep: boolean): Promise<void> {
  const show = new Show((text) => process.stdout.write(text), wantsColour(process.stdout, process.env));
  const machine = { host: process.env["DOCKER_HOST"] || DEFAULT_HOST, isRoot: process.getuid?.() === 0 };
  const started = performance.now();
  {
    await using scene = await setScene(show, machine, stop.signal);
    const ready = performance.now();
    try {
      await unlessAborted(tellStory(scene, show), stop.signal);
      show.heading(`every step showed what it should, in ${seconds(performance.now() - ready)}`);
      if (keep) await stayUp(scene, show, stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) for (const line of scene.daemon.log().slice(-LOG_LINES)) show.log(line);
      throw error;
    } finally {
      show.line("cleaning up");
    }
  }
  show.line(`all that the demo made is removed (${seconds(performance.now() - started)} in all)`);
}

/** The options, or what is wrong with them. */
function readOptions(args: string[]): { keep: boolean; help: boolean } | string {
  try {
    const { values } = parseArgs({
      args,
      options: { keep: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
    });
    return values;
  } catch (error) {
    return messageOf(error);
  }
}

/** A clean-up that fails after a step that failed hides neither. */
function messageOf(error: unknown): string {
  if (error instanceof SuppressedError) return `${messageOf(error.suppressed)}\n${messageOf(error.error)}`;
  return error instanceof Error ? error.message : String(error);
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
