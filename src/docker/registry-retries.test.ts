import { expect, test } from "bun:test";

import { DeployerError } from "../core/errors.ts";
import { registryFailure } from "./failures.ts";
import { DIGEST, DOMAIN, image, NEVER, setUp, WEB } from "./fake-pulls.ts";

const EXPIRED = registryFailure(
  "web",
  "denied: Your authorization token has expired. Reauthenticate and try again.",
);
const MISSING = registryFailure("web", "manifest unknown: manifest unknown");
const CUT = registryFailure("web", "unexpected EOF");
const LIMITED = registryFailure("web", "toomanyrequests: Rate exceeded");

test("a refused token is renewed once, and the log tells refusal, login and success", async () => {
  const { registry, tried, logged, pauses } = setUp({ failures: [EXPIRED] });
  expect(await registry.resolve(WEB, NEVER)).toBe(DIGEST);
  expect(tried).toEqual(["ecr", "ecr-1"]);
  expect(logged).toEqual([
    "pull refused by the registry; logging in again",
    "pull accepted after a new registry login",
  ]);
  expect(pauses).toEqual([]);
});

test("a token that is refused when it is new is not renewed again", async () => {
  const { registry, tried, renewals } = setUp({ failures: [EXPIRED, EXPIRED] });
  await expect(registry.resolve(WEB, NEVER)).rejects.toBe(EXPIRED);
  expect(tried).toEqual(["ecr", "ecr-1"]);
  expect(renewals()).toBe(1);
});

test("a login that cannot be had for now is tried again, then its reason is the reason", async () => {
  const renewal = new DeployerError(
    "registry_unavailable",
    "no ECR token from us-west-2: no answer within 15 s",
  );
  const { registry, tried, renewals, pauses } = setUp({ failures: [EXPIRED], renewal });
  await expect(registry.resolve(WEB, NEVER)).rejects.toBe(renewal);
  expect(tried).toEqual(["ecr"]);
  expect(renewals()).toBe(3);
  expect(pauses).toEqual([1_000, 3_000]);
});

test("a login that AWS refuses is not tried again, and its reason is the reason", async () => {
  const renewal = new DeployerError("registry_denied", "no ECR token from us-west-2: AccessDeniedException");
  const { registry, renewals, pauses } = setUp({ failures: [EXPIRED], renewal });
  await expect(registry.resolve(WEB, NEVER)).rejects.toBe(renewal);
  expect(renewals()).toBe(1);
  expect(pauses).toEqual([]);
});

test("a login that AWS refuses at first is not taken for a refused pull", async () => {
  const noRole = new DeployerError("registry_denied", "no ECR token from us-west-2: no AWS credentials");
  let renewals = 0;
  const tokens = {
    credential: () => Promise.reject(noRole),
    renew: () => {
      renewals += 1;
      return Promise.reject(noRole);
    },
  };
  const { registry, logged } = setUp({ options: { ecr: { domain: DOMAIN, tokens } } });
  await expect(registry.resolve(WEB, NEVER)).rejects.toBe(noRole);
  expect(renewals).toBe(0);
  expect(logged).toEqual([]);
});

test("another registry's refusal starts no ECR login", async () => {
  const { registry, renewals } = setUp({ failures: [EXPIRED] });
  await expect(registry.resolve(image("ghcr.io/a/b:1"), NEVER)).rejects.toBe(EXPIRED);
  expect(renewals()).toBe(0);
});

test("an image that is not there is not asked for twice", async () => {
  const { registry, tried } = setUp({ failures: [MISSING] });
  await expect(registry.resolve(WEB, NEVER)).rejects.toBe(MISSING);
  expect(tried).toHaveLength(1);
});

test("trouble on the way is retried after growing pauses, then given up", async () => {
  const { registry, pauses, logged } = setUp({ failures: [CUT, CUT] });
  await registry.resolve(WEB, NEVER);
  expect(pauses).toEqual([1_000, 3_000]);
  expect(logged).toEqual(["pull failed; trying again", "pull failed; trying again"]);

  const hopeless = setUp({ failures: [CUT, CUT, CUT] });
  await expect(hopeless.registry.resolve(WEB, NEVER)).rejects.toBe(CUT);
  expect(hopeless.tried).toHaveLength(3);
});

test("a registry that limits requests gets longer pauses", async () => {
  const { registry, pauses } = setUp({ failures: [LIMITED, LIMITED] });
  await registry.resolve(WEB, NEVER);
  expect(pauses).toEqual([10_000, 30_000]);
});

test("a token that expires in the middle of trouble is still renewed", async () => {
  const { registry, tried } = setUp({ failures: [CUT, EXPIRED, CUT] });
  await registry.pull(WEB, DIGEST, NEVER);
  expect(tried).toEqual(["ecr", "ecr", "ecr-1", "ecr-1"]);
});

test("docker's own trouble is not retried", async () => {
  const broken = new DeployerError("docker", "Docker is not reachable");
  const { registry, tried } = setUp({ failures: [broken] });
  await expect(registry.pull(WEB, DIGEST, NEVER)).rejects.toBe(broken);
  expect(tried).toHaveLength(1);
});

test("an aborted signal ends the retries with its reason", async () => {
  const controller = new AbortController();
  const reason = new Error("stopped");
  const { registry, tried } = setUp({
    failures: [CUT, CUT, CUT],
    options: {
      clock: {
        now: () => 0,
        sleep(_milliseconds, signal) {
          controller.abort(reason);
          signal?.throwIfAborted();
          return Promise.resolve();
        },
      },
    },
  });
  await expect(registry.resolve(WEB, controller.signal)).rejects.toBe(reason);
  expect(tried).toHaveLength(1);
});

test("whether it has an image is asked once, by its digest too", async () => {
  const { registry, tried, pauses } = setUp({ failures: [CUT] });
  const pinned = { ...WEB, digest: DIGEST };
  await expect(registry.assertThere(pinned, NEVER)).rejects.toBe(CUT);
  await registry.assertThere(pinned, NEVER);
  expect([tried, pauses]).toEqual([["ecr", "ecr"], []]);
});
