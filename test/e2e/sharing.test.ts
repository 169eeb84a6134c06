import { expect, test } from "bun:test";

import { lifeOf, upByHand } from "../support/observe.ts";
import { startScene } from "../support/scene.ts";
import { stage } from "../support/stage.ts";

test("a service in the network of the deployed one is in the network of its new container, and stays as it is afterwards", async () => {
  await using scene = await startScene({
    compose: async (aws) => {
      for (const version of ["v1", "v2"]) await aws.publish("web", version);
      await aws.publish("broken", "v3", { exitCode: 3 });
      return `
services:
  web:
    image: ${aws.repository("web")}:v1
    x-deployer: { images: ["${aws.repository("broken")}"] }
  beside:
    image: ${aws.repository("web")}:v1
    network_mode: service:web
    command: ["sleep", "1000"]
    stop_grace_period: 1s
`;
    },
  });
  const { project, daemon, aws } = scene;
  const throughBeside = async (): Promise<string> => {
    const { id } = await lifeOf(project, "beside");
    const { stdout } = await stage().docker.docker("exec", id, "wget", "-qO-", "http://127.0.0.1:8080/");
    return stdout.trim();
  };
  expect(await throughBeside()).toBe("v1");

  expect((await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` })).status).toBe(200);
  expect(await throughBeside()).toBe("v2");
  const before = [await lifeOf(project, "web"), await lifeOf(project, "beside")];
  await upByHand(project, daemon);
  expect([await lifeOf(project, "web"), await lifeOf(project, "beside")]).toEqual(before);

  expect((await daemon.deploy({ service: "web", image: `${aws.repository("broken")}:v3` })).status).toBe(500);
  expect(await throughBeside()).toBe("v2");
});
