import type { Scene } from "./scene.ts";
import type { Show } from "./show.ts";
import { webhook } from "./webhook.ts";

const LOOK_EVERY = 100;

/** Prints commands to play with, then the daemon's log as it comes, until `signal` aborts. */
export async function stayUp(scene: Scene, show: Show, signal: AbortSignal): Promise<void> {
  show.heading("it stays up until Ctrl-C; play with it in another terminal, in this folder:");
  show.command(`cd ${scene.project.dir}`);
  for (const { to, commands } of commandsOf(scene)) {
    show.line("");
    show.answer(`${to}:`);
    for (const command of commands) show.command(command);
  }
  show.heading("the daemon's log, as it comes");
  await followLog(scene, show, signal);
}

function commandsOf(scene: Scene): { to: string; commands: string[] }[] {
  const { daemon, engine, project, webUrl } = scene;
  return [
    {
      to: "see what serves, and what runs",
      commands: [`curl ${webUrl}`, dockerPs(engine.host, project.name)],
    },
    { to: "deploy a version: v1, v2, v3, or v4, which is broken", commands: [webhook(scene, "v2")] },
    { to: "deploy what the compose file names", commands: [webhook(scene)] },
    {
      to: "sign a token, and look into it",
      commands: ["./jwt sign", './jwt verify --key public.pem --token "$(./jwt sign)"'],
    },
    {
      to: "lose the registry credential: the next deployment is refused, logs in and pulls",
      commands: [`curl -X POST ${daemon.url}/logout`],
    },
    { to: "ask the daemon how it is", commands: [`curl ${daemon.url}/ready`] },
  ];
}

function dockerPs(host: string, project: string): string {
  return `docker --host ${host} ps --all --filter label=com.docker.compose.project=${project}`;
}

async function followLog({ daemon }: Scene, show: Show, signal: AbortSignal): Promise<void> {
  let seen = daemon.log().length;
  while (!signal.aborted) {
    const lines = daemon.log().slice(seen);
    for (const line of lines) show.log(line);
    seen += lines.length;
    await Bun.sleep(LOOK_EVERY);
  }
}
