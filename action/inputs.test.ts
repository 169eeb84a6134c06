import { expect, test } from "bun:test";

import { readInputs, secretsOf } from "./inputs.ts";

const PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----";
const RUNNER = {
  GITHUB_REPOSITORY_ID: "42",
  GITHUB_WORKFLOW_REF: "octo/app/.github/workflows/deploy.yml@refs/heads/main",
  GITHUB_RUN_NUMBER: "7",
  GITHUB_RUN_ATTEMPT: "2",
  // As the runner sets them: an input that is not given has the default of action.yml, or is empty.
  INPUT_URL: "https://deploy.example.com",
  INPUT_SERVICE: "web",
  INPUT_ISSUER: "github-actions",
  INPUT_TIMEOUT: "30m",
};

function read(more: Record<string, string> = {}) {
  return readInputs({ ...RUNNER, ...more });
}

test("what is not given has a default", () => {
  expect(read()).toEqual({
    url: "https://deploy.example.com",
    services: ["web"],
    image: undefined,
    images: undefined,
    force: false,
    key: undefined,
    issuer: "github-actions",
    audience: "https://deploy.example.com",
    timeoutMs: 1_800_000,
    ca: undefined,
    run: { workflow: "42/.github/workflows/deploy.yml", number: 7, attempt: 2 },
  });
});

test("several services come in a list, with an image for all of them or one for each", () => {
  const services = { INPUT_SERVICE: "", INPUT_SERVICES: "web, worker\ncron" };
  expect(read({ ...services, INPUT_IMAGE: "app:v2" })).toMatchObject({
    services: ["web", "worker", "cron"],
    image: "app:v2",
  });
  expect(read({ ...services, INPUT_IMAGES: "web=app:v2\nworker = jobs@sha256:0=\n" }).images).toEqual({
    web: "app:v2",
    worker: "jobs@sha256:0=",
  });
});

test("a key is a PEM, or base64 of one with the line breaks that base64 makes", () => {
  const packed = Buffer.from(PEM).toString("base64");
  for (const key of [PEM, packed, packed.replaceAll(/(.{20})/g, "$1\n")])
    expect(read({ INPUT_KEY: key }).key).toBe(PEM);
});

test("the key is secret as it was given and as it is used", () => {
  const packed = Buffer.from(PEM).toString("base64");
  expect(secretsOf({ INPUT_KEY: packed })).toEqual([packed, PEM]);
  expect(secretsOf({ INPUT_KEY: "no key at all" })).toEqual(["no key at all"]);
  expect(secretsOf({ INPUT_KEY: " " })).toEqual([]);
});

test.each([
  ["octo/app/.github/workflows/a@b.yml@refs/heads/x@y", "42/.github/workflows/a@b.yml"],
  ["octo/app/.github/workflows/deploy.yml@refs/pull/3/merge", "42/.github/workflows/deploy.yml"],
  [`octo/app/.github/workflows/deploy.yml@${"a".repeat(40)}`, "42/.github/workflows/deploy.yml"],
])("the workflow of %s is known by its path", (ref, workflow) => {
  expect(read({ GITHUB_WORKFLOW_REF: ref }).run.workflow).toBe(workflow);
});

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["1h", 3_600_000],
  ["45", 45_000],
])("a timeout of %s is %d ms", (timeout, milliseconds) => {
  expect(read({ INPUT_TIMEOUT: timeout }).timeoutMs).toBe(milliseconds);
});

test.each([
  [{ INPUT_URL: "" }, "input url: is required"],
  [{ INPUT_URL: "deploy.example.com" }, "input url: must be https://HOST"],
  [{ INPUT_URL: "https://user:password@deploy.example.com" }, "input url: must be https://HOST"],
  [{ INPUT_URL: "https://deploy.example.com/deploy" }, "input url: must be https://HOST"],
  [{ INPUT_URL: "ftp://deploy.example.com" }, "input url: must be https://HOST"],
  [{ INPUT_SERVICE: "" }, "input service: is required"],
  [{ INPUT_SERVICES: "worker" }, "input services: is there beside service"],
  [{ INPUT_IMAGE: "a", INPUT_IMAGES: "web=b" }, "input images: is there beside image"],
  [{ INPUT_IMAGES: "web" }, "input images: must have SERVICE=IMAGE"],
  [{ INPUT_IMAGES: "web=a\nweb=b" }, "input images: names a service twice"],
  [{ INPUT_FORCE: "yes" }, "input force: must be true or false"],
  [{ INPUT_KEY: "hunter2" }, "input key: is neither a PEM nor base64 of one"],
  [{ INPUT_TIMEOUT: "soon" }, "input timeout: must be like 90s, 30m or 1h"],
  [{ INPUT_TIMEOUT: "25h" }, "input timeout: must be like 90s, 30m or 1h"],
  [{ INPUT_CA: "/etc/ssl/ca.pem" }, "input ca: holds no certificate in PEM"],
  [{ INPUT_CA: PEM.replaceAll("PRIVATE KEY", "CERTIFICATE") }, "input ca: holds no certificate in PEM"],
  [{ INPUT_TIMEOUT: "0" }, "input timeout: must be like 90s, 30m or 1h"],
  [{ GITHUB_REPOSITORY_ID: "" }, "GITHUB_REPOSITORY_ID"],
  [{ GITHUB_WORKFLOW_REF: "deploy.yml" }, "GITHUB_WORKFLOW_REF"],
  [{ GITHUB_RUN_NUMBER: "" }, "run: number must be a positive integer"],
])("%j is refused: %s", (more, message) => {
  expect(() => read(more)).toThrow(message);
});

test("all that is wrong is named at once, and no value is quoted", () => {
  const wrong = { INPUT_URL: "x", INPUT_SERVICE: "", INPUT_KEY: "hunter2", INPUT_TIMEOUT: "hunter3" };
  expect(() => read(wrong)).toThrow(/url: .*\n(?:.*\n)*.*key: .*\n(?:.*\n)*.*timeout: /);
  expect(() => read(wrong)).not.toThrow(/hunter/);
});
