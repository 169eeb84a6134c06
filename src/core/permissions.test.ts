import { describe, expect, test } from "bun:test";

import { queued } from "../../test/fakes/deployment.ts";
import { type Grant, MAY_ALL, type Permissions } from "./caller.ts";
import {
  assertIsOwnRun,
  assertMayAsk,
  mayRead,
  mayReadService,
  maySeeOutput,
  readableBy,
} from "./permissions.ts";

const NOTHING: Grant = {
  deploy: new Set(),
  rollback: new Set(),
  read: new Set(),
  images: "all",
  logs: false,
};
const grant = (fields: Partial<Grant>): Grant => ({ ...NOTHING, ...fields });
const may = (...grants: Partial<Grant>[]): Permissions => grants.map(grant);
const set = (...names: string[]) => new Set(names);

type Part = [service: string, image?: string];
const ask =
  (permissions: Permissions, kind: "deploy" | "rollback", ...parts: Part[]) =>
  () =>
    assertMayAsk(permissions, { kind, parts: parts.map(([service, image]) => ({ service, image })) });

const ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com/web";

describe("a deployment", () => {
  const ALLOWED: [what: string, permissions: Permissions, parts: Part[]][] = [
    ["of a service that is named", may({ deploy: set("web") }), [["web"]]],
    ["of any service", may({ deploy: "all" }), [["web"], ["worker"]]],
    [
      "of several, each by another rule",
      may({ deploy: set("web") }, { deploy: set("db") }),
      [["web"], ["db"]],
    ],
    ["with any image where none is named", may({ deploy: set("web") }), [["web", "evil/web:v1"]]],
    [
      "with an image of a repository that is named",
      may({ deploy: set("web"), images: set(ECR) }),
      [["web", `${ECR}:v1`]],
    ],
    ["without an image", may({ deploy: set("web"), images: set(ECR) }), [["web"]]],
    [
      "with another spelling of it",
      may({ deploy: set("web"), images: set("docker.io/library/nginx") }),
      [["web", "nginx@sha256:".concat("0".repeat(64))]],
    ],
    // It is refused all the same, later and with a word on why.
    ["with an image that is none", may({ deploy: set("web"), images: set(ECR) }), [["web", "$IMAGE"]]],
  ];
  test.each(ALLOWED)("%s is allowed", (_, permissions, parts) => {
    expect(ask(permissions, "deploy", ...parts)).not.toThrow();
  });

  const FORBIDDEN: [what: string, permissions: Permissions, parts: Part[]][] = [
    ["without any rule", [], [["web"]]],
    ["of another service", may({ deploy: set("web") }), [["db"]]],
    ["of one more service", may({ deploy: set("web") }), [["web"], ["db"]]],
    ["of a service that may be rolled back and read", may({ rollback: "all", read: "all" }), [["web"]]],
    [
      "with an image of another repository",
      may({ deploy: set("web"), images: set(ECR) }),
      [["web", "evil/web:v1"]],
    ],
    [
      "with an image of a registry of another port",
      may({ deploy: set("web"), images: set("r:5000/web") }),
      [["web", "r:5001/web"]],
    ],
    [
      "with an image that another rule allows for another service",
      may({ deploy: set("web"), images: set(ECR) }, { deploy: set("db"), images: "all" }),
      [["web", "evil/web:v1"]],
    ],
  ];
  test.each(FORBIDDEN)("%s is forbidden", (_, permissions, parts) => {
    expect(ask(permissions, "deploy", ...parts)).toThrow(expect.objectContaining({ code: "forbidden" }));
  });

  test("says in the cause what was not allowed", () => {
    expect(ask(may({ deploy: set("web"), images: set(ECR) }), "deploy", ["web", "evil/web:v1"])).toThrow(
      'its rules do not let it deploy an image of docker.io/evil/web as "web"',
    );
    expect(ask([], "rollback", ["web"])).toThrow('its rules do not let it roll back "web"');
  });
});

test("a rollback is allowed where its service is named for that, whatever else may be done with it", () => {
  expect(ask(may({ rollback: set("web") }), "rollback", ["web"])).not.toThrow();
  expect(ask(may({ rollback: set("web") }), "rollback", ["db"])).toThrow();
  expect(ask(may({ deploy: "all", read: "all" }), "rollback", ["web"])).toThrow();
});

test("a deployment is read where all its services are", () => {
  const both = queued("d1", 1, ["web", "db"]);
  expect(mayRead(may({ read: set("web") }), both)).toBe(false);
  expect(mayRead(may({ read: set("web") }, { read: set("db") }), both)).toBe(true);
  expect(mayRead(may({ deploy: "all", rollback: "all", logs: true }), both)).toBe(false);
  expect(mayRead(MAY_ALL, both)).toBe(true);
  expect([
    mayReadService(may({ read: set("web") }), "web"),
    mayReadService(may({ read: set("web") }), "db"),
  ]).toEqual([true, false]);
});

test("what may be read is that of all rules", () => {
  expect(readableBy(may({ read: set("web") }, { deploy: "all" }, { read: set("db") }))).toEqual(
    set("web", "db"),
  );
  expect(readableBy(may({ read: set("web") }, { read: "all" }))).toBe("all");
  expect(readableBy([])).toEqual(set());
});

test("output is seen by rules with logs, of the services they are about, and of all services of a deployment or of none", () => {
  const web = queued("d1", 1, ["web"]);
  const both = queued("d2", 1, ["web", "db"]);
  expect(maySeeOutput(may({ deploy: set("web"), logs: true }), web)).toBe(true);
  expect(maySeeOutput(may({ read: set("web"), logs: true }), both)).toBe(false);
  expect(maySeeOutput(may({ read: set("web"), logs: true }, { read: set("db"), logs: true }), both)).toBe(
    true,
  );
  expect(maySeeOutput(may({ read: set("web"), logs: true }, { read: "all" }), both)).toBe(false);
  expect(maySeeOutput(may({ read: "all", deploy: "all" }), web)).toBe(false);
  expect(maySeeOutput(MAY_ALL, both)).toBe(true);
});

describe("a run that a request names", () => {
  const run = (workflow: string) => ({ workflow, number: 41, attempt: 1 });
  test.each([
    ["of its own repository", run("123/.github/workflows/deploy.yml"), "123"],
    ["of anything, where the caller is of no repository", run("any"), undefined],
    ["that is not there", undefined, "123"],
  ])("%s is allowed", (_, named, repository) => {
    expect(() => assertIsOwnRun(named, { repository })).not.toThrow();
  });

  test.each([["124/deploy.yml"], ["1234/deploy.yml"], ["123"], ["any"]])("of %s is forbidden", (workflow) => {
    expect(() => assertIsOwnRun(run(workflow), { repository: "123" })).toThrow(
      expect.objectContaining({ code: "forbidden" }),
    );
  });
});
