import { expect, test } from "bun:test";

import { createEngine } from "./engine.ts";
import { fakeEngine } from "./fake-engine.ts";

const DIGEST = `sha256:${"3".repeat(64)}`;
const clock = { now: () => Date.now(), sleep: (milliseconds: number) => Bun.sleep(milliseconds) };

test("the id of a local image is its own, and undefined when it is not there", async () => {
  await using fake = fakeEngine((_, url) =>
    url.pathname.includes("/there")
      ? Response.json({ Id: DIGEST })
      : Response.json({ message: "no such image" }, { status: 404 }),
  );
  const engine = createEngine({ host: fake.host, clock });
  expect(await engine.imageId(`r.example/there@${DIGEST}`)).toBe(DIGEST);
  expect(await engine.imageId("r.example/gone:v1")).toBeUndefined();
  expect(fake.requests[1]).toBe(`GET /v1.41/images/r.example/there@${DIGEST}/json`);
});

test.each(["../containers/json", "web?x=1", "web%2f", ""])("%j never becomes a path", async (text) => {
  await using fake = fakeEngine(() => Response.json({}));
  await expect(createEngine({ host: fake.host, clock }).imageId(text)).rejects.toMatchObject({
    code: "invalid",
  });
  expect(fake.requests).toEqual([]);
});

test("a local image is known with its platform, names and volumes", async () => {
  await using fake = fakeEngine(() =>
    Response.json({
      Id: DIGEST,
      Os: "linux",
      Architecture: "arm64",
      Variant: "v8",
      Config: { Volumes: { "/data": {} } },
      RepoTags: ["web:v1"],
      RepoDigests: [`web@${DIGEST}`],
    }),
  );
  expect(await createEngine({ host: fake.host, clock }).image("web:v1")).toEqual({
    id: DIGEST,
    os: "linux",
    architecture: "arm64",
    hasVolumes: true,
    tags: ["web:v1"],
    digests: [`web@${DIGEST}`],
  });
});

test.each([
  ["null", { Config: { Volumes: null }, RepoTags: null, RepoDigests: null }],
  ["empty", { Config: { Volumes: {} }, RepoTags: [], RepoDigests: [] }],
  ["absent", {}],
])("an image whose names and volumes are %s has none", async (_, fields) => {
  await using fake = fakeEngine(() =>
    Response.json({ Id: DIGEST, Os: "linux", Architecture: "amd64", ...fields }),
  );
  expect(await createEngine({ host: fake.host, clock }).image(DIGEST)).toMatchObject({
    hasVolumes: false,
    tags: [],
    digests: [],
  });
});

test("an image that is not here is undefined", async () => {
  await using fake = fakeEngine(() => Response.json({ message: "no such image" }, { status: 404 }));
  expect(await createEngine({ host: fake.host, clock }).image("web:v1")).toBeUndefined();
});

test("all local images are listed by name; older engines call a nameless one <none>", async () => {
  await using fake = fakeEngine(() =>
    Response.json([
      { Id: "sha256:1", RepoTags: ["web:v1", "web:v2"], RepoDigests: [`web@${DIGEST}`] },
      { Id: "sha256:2", RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] },
      { Id: "sha256:3", RepoTags: null, RepoDigests: null },
    ]),
  );
  expect(await createEngine({ host: fake.host, clock }).images()).toEqual([
    { id: "sha256:1", tags: ["web:v1", "web:v2"], digests: [`web@${DIGEST}`] },
    { id: "sha256:2", tags: [], digests: [] },
    { id: "sha256:3", tags: [], digests: [] },
  ]);
  expect(fake.requests[1]).toBe("GET /v1.41/images/json");
});

test("an image gets one more name", async () => {
  await using fake = fakeEngine(() => new Response(null, { status: 201 }));
  await createEngine({ host: fake.host, clock }).tag(DIGEST, "deployer.local/keep", "d1.0");
  expect(fake.requests[1]).toBe(`POST /v1.41/images/${DIGEST}/tag?repo=deployer.local/keep&tag=d1.0`);
});

test("a name that Docker refuses is a docker error with its words", async () => {
  await using fake = fakeEngine(() => Response.json({ message: "No such image: web" }, { status: 404 }));
  await expect(
    createEngine({ host: fake.host, clock }).tag(DIGEST, "deployer.local/keep", "d1.0"),
  ).rejects.toMatchObject({
    code: "docker",
    message: `Docker could not tag image ${DIGEST} as deployer.local/keep:d1.0: No such image: web`,
  });
});

test.each([
  [200, "removed"],
  [404, "gone"],
  [409, "in use"],
] as const)("a removal answered with %d: %s", async (status, outcome) => {
  await using fake = fakeEngine(() => Response.json([], { status }));
  expect(await createEngine({ host: fake.host, clock }).removeImage("web:v1")).toBe(outcome);
  expect(fake.requests[1]).toBe("DELETE /v1.41/images/web:v1?force=false&noprune=false");
});

test("a removal that fails otherwise is a docker error", async () => {
  await using fake = fakeEngine(() => Response.json({ message: "input/output error" }, { status: 500 }));
  await expect(createEngine({ host: fake.host, clock }).removeImage("web:v1")).rejects.toMatchObject({
    code: "docker",
    message: "Docker could not remove image web:v1: input/output error",
  });
});
