import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { fakeEngine, pieces } from "./fake-engine.ts";

const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

function inspection(config: Record<string, unknown> = {}) {
  return {
    Id: "c1",
    Name: "/app-web-1",
    Image: "sha256:aaa",
    State: { Status: "running", ExitCode: 0 },
    HostConfig: {},
    Config: { Image: "x", ...config },
  };
}

test("the last lines of a container's output come from its frames", async () => {
  const out = [1, 0, 0, 0, 0, 0, 0, 4, ...Buffer.from("out\n")];
  const err = [2, 0, 0, 0, 0, 0, 0, 4, ...Buffer.from("err\n")];
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json")
      ? Response.json(inspection())
      : pieces([Uint8Array.from(out), Uint8Array.from(err)]),
  );
  expect(await createEngine({ host: fake.host, clock }).logs("c1", 50)).toEqual(["out", "err"]);
  expect(fake.requests.at(-1)).toBe("GET /v1.41/containers/c1/logs?stdout=1&stderr=1&tail=50");
});

test("output of a container with a terminal is raw", async () => {
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json") ? Response.json(inspection({ Tty: true })) : pieces(["one\r\ntwo\r\n"]),
  );
  expect(await createEngine({ host: fake.host, clock }).logs("c1", 50)).toEqual(["one", "two"]);
});

test("output that cannot be had is a docker error with the reason", async () => {
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json")
      ? Response.json(inspection())
      : Response.json({ message: "configured logging driver does not support reading" }, { status: 501 }),
  );
  await expect(createEngine({ host: fake.host, clock }).logs("c1", 50)).rejects.toMatchObject({
    code: "docker",
    message:
      "Docker could not read the output of container c1: configured logging driver does not support reading",
  });
});

test("output that is cut off is an error", async () => {
  await using fake = fakeEngine((_, url) =>
    url.pathname.endsWith("/json") ? Response.json(inspection()) : pieces(["x"], "cut"),
  );
  await expect(createEngine({ host: fake.host, clock }).logs("c1", 50)).rejects.toMatchObject({
    code: "docker",
  });
});
