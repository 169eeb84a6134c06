import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";

const NOW = Date.parse("2026-11-23T12:00:10.500Z");
const clock = { now: () => NOW, sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

/** Of an engine whose container `c1` has this stop signal, and that has sent these signals. */
async function wasToldToStop(
  sent: readonly { id?: string; signal: string }[],
  stopSignal?: string,
): Promise<{ answer: boolean; requests: string[] }> {
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json")
      ? Response.json({
          Id: "c1",
          Name: "/web",
          Image: "sha256:0",
          State: { Status: "running", ExitCode: 0, StartedAt: "2026-11-23T12:00:00.123456789Z" },
          HostConfig: {},
          Config: { StopSignal: stopSignal },
        })
      : new Response(
          sent
            .map(
              ({ id = "c1", signal }) => `${JSON.stringify({ Actor: { ID: id, Attributes: { signal } } })}\n`,
            )
            .join(""),
        ),
  );
  const answer = await createEngine({ host: fake.host, clock }).wasToldToStop("c1");
  return { answer, requests: fake.requests };
}

test("the signals since its last start are asked for, and up to now, or the answer would have no end", async () => {
  const { answer, requests } = await wasToldToStop([]);
  expect(answer).toBe(false);
  expect(requests.at(-1)).toBe(
    'GET /v1.41/events?since=1795435200.123&until=1795435210.500&filters={"type":["container"],"event":["kill"],"container":["c1"]}',
  );
});

for (const [stopSignal, signal, is] of [
  [undefined, "15", true],
  ["", "15", true],
  ["SIGQUIT", "3", true],
  ["QUIT", "3", true],
  ["3", "3", true],
  ["SIGRTMIN+3", "37", true],
  [undefined, "9", true],
  [undefined, "1", false],
  ["SIGQUIT", "15", false],
  ["SIGNONSENSE", "15", false],
] as const) {
  const what = stopSignal === undefined ? "no stop signal of its own" : `the stop signal "${stopSignal}"`;
  test(`one with ${what} was ${is ? "" : "not "}told to stop by signal ${signal}`, async () => {
    expect((await wasToldToStop([{ signal }], stopSignal)).answer).toBe(is);
  });
}

test("what was sent to one whose id begins alike, and what cannot be read, does not count", async () => {
  expect((await wasToldToStop([{ id: "c12", signal: "15" }])).answer).toBe(false);
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json") ? new Response("{}", { status: 404 }) : new Response("no JSON\n"),
  );
  expect(await createEngine({ host: fake.host, clock }).wasToldToStop("gone")).toBe(false);
});

test("an engine that does not show its events is an error", async () => {
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json")
      ? Response.json({
          Id: "c1",
          Name: "/web",
          Image: "sha256:0",
          State: { Status: "running", ExitCode: 0, StartedAt: "2026-11-23T12:00:00Z" },
          HostConfig: {},
          Config: {},
        })
      : Response.json({ message: "no events today" }, { status: 500 }),
  );
  await expect(createEngine({ host: fake.host, clock }).wasToldToStop("c1")).rejects.toMatchObject({
    code: "docker",
    message: "Docker could not show the events of container c1: no events today",
  });
});
