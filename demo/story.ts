import { containerOf, expect, expectAnswer, expectLog, expectServing } from "./expect.ts";
import type { Scene } from "./scene.ts";
import type { Show } from "./show.ts";
import { webhook } from "./webhook.ts";

const SUCCESS = "deploy request successful for service web\n";

/** The steps, each printed with what it proves. Throws at the first that does not show what it should. */
export async function tellStory(scene: Scene, show: Show): Promise<void> {
  for (const [index, step] of STEPS.entries()) {
    show.heading(`${index + 1}. ${step.title}`);
    await step.act(scene, show);
    show.proof(step.proves);
  }
}

type Step = {
  title: string;
  proves: string;
  act: (scene: Scene, show: Show) => Promise<void>;
};

const STEPS: readonly Step[] = [
  {
    title: "a fresh host: version 1 comes up, and is deployed once more",
    act: comeUp,
    proves: "the daemon logs in, pulls and starts what is missing; what has not changed is not restarted",
  },
  {
    title: "version 2 is pushed, and deployed by a signed webhook",
    act: deployByWebhook,
    proves: "exactly the image that the webhook names runs now, and the other service was not touched",
  },
  {
    title: "the registry token expires, then version 3 is deployed",
    act: outliveToken,
    proves: "an expired token costs one refused request: refused, login, pull",
  },
  {
    title: "version 4 is broken: it exits as soon as it starts",
    act: surviveBrokenVersion,
    proves: "the old container was still there and runs again; the caller knows why, and what serves",
  },
  {
    title: "somebody signs a webhook with a key of their own",
    act: refuseStranger,
    proves: "a token of another key deploys nothing, and learns nothing: the cause is in the log only",
  },
];

async function comeUp(scene: Scene, show: Show): Promise<void> {
  await expectLog(scene.daemon, 0, show, ["registry login successful", "services are up"]);
  await expectServing(scene, "v1");
  await expectSameContainer(scene, "web", async () => {
    expectAnswer(await scene.shell.curl(webhook(scene)), 200, SUCCESS);
  });
}

async function deployByWebhook(scene: Scene, show: Show): Promise<void> {
  await push(scene, show, "v2");
  await expectSameContainer(scene, "db", async () => {
    expectAnswer(await scene.shell.curl(webhook(scene, "v2")), 200, SUCCESS);
  });
  await expectServing(scene, "v2");
}

async function outliveToken(scene: Scene, show: Show): Promise<void> {
  await push(scene, show, "v3");
  scene.tokens.expireAll();
  show.answer("every token that the registry has accepted so far has expired");
  const seen = scene.daemon.log().length;
  expectAnswer(await scene.shell.curl(webhook(scene, "v3")), 200, SUCCESS);
  await expectLog(scene.daemon, seen, show, [
    "pull refused by the registry; logging in again",
    "registry login successful",
    "pull accepted after a new registry login",
    "pull finished",
  ]);
  await expectServing(scene, "v3");
}

async function surviveBrokenVersion(scene: Scene, show: Show): Promise<void> {
  await push(scene, show, "v4", 3);
  await expectSameContainer(scene, "web", async () => {
    const { status, text } = await scene.shell.curl(webhook(scene, "v4"));
    expect("the deployment failed", status === 500 && text.startsWith("unable to update service\n"));
    expect("the reply names the exit code", text.includes("exited with code 3"));
    expect("the reply names what serves", text.includes(`what serves now: ${scene.repository}:v3@`));
  });
  await expectServing(scene, "v3");
}

async function refuseStranger(scene: Scene, show: Show): Promise<void> {
  await scene.shell.quietly("./jwt keygen --out stranger");
  const seen = scene.daemon.log().length;
  await expectSameContainer(scene, "web", async () => {
    const answer = await scene.shell.curl(webhook(scene, "v1", "stranger/private.pem"));
    expectAnswer(answer, 401, "unauthorized\n");
  });
  await expectLog(scene.daemon, seen, show, ["unauthorized request"]);
  await expectServing(scene, "v3");
}

async function push(scene: Scene, show: Show, version: string, exitCode?: number): Promise<void> {
  await scene.push(version, exitCode === undefined ? {} : { exitCode });
  show.answer(`pushed ${scene.repository}:${version}`);
}

async function expectSameContainer(
  scene: Scene,
  service: string,
  action: () => Promise<void>,
): Promise<void> {
  const before = await containerOf(scene, service);
  await action();
  expect(`${service} runs in the same container`, before === (await containerOf(scene, service)));
}
