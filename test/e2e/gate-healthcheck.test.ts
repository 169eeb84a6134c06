import { expect, test } from "bun:test";

import { eventsOf, idOf, recordOf } from "../support/deployment-record.ts";
import { expectVersionInside } from "../support/observe.ts";
import { startScene } from "../support/scene.ts";

const GATED_WITHIN_MS = 5_000;

for (const strategy of ["recreate", "rolling"]) {
  test(`a HEALTHCHECK every 30 s, of an app that is up in one, does not keep a ${strategy} deployment waiting`, async () => {
    await using scene = await startScene({
      compose: async (aws) => {
        const healthcheck = { passes: true, intervalMs: 30_000 };
        await aws.publish("web", "v1", { healthcheck });
        await aws.publish("web", "v2", { healthcheck, startDelay: 1 });
        const settings = `x-deployer: { strategy: ${strategy}, watch: 1s }`;
        return `services:\n  web:\n    image: ${aws.repository("web")}:v1\n    stop_grace_period: 2s\n    ${settings}\n`;
      },
    });
    const { project, daemon, aws } = scene;
    const reply = await daemon.deploy({ service: "web", image: `${aws.repository("web")}:v2` });
    const record = await recordOf(daemon, idOf(reply));
    expect(record).toMatchObject({ status: "succeeded", changed: true });
    const events = await eventsOf(daemon, record.id);
    const timeOf = (wanted: string) => Date.parse(events.find(({ phase }) => phase === wanted)?.at ?? "");
    expect(timeOf("watching") - timeOf("accepted")).toBeLessThan(GATED_WITHIN_MS);
    await expectVersionInside(project, "web", "v2");
  });
}
