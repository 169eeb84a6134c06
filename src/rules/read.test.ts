import { describe, expect, test } from "bun:test";

import type { Grant } from "../core/caller.ts";
import { DeployerError } from "../core/errors.ts";
import { type KeysAt, readRules } from "./read.ts";

const FILE = "/etc/deployer-service/rules.yml";
const GITHUB = `issuers:
  - name: github
    issuer: https://token.actions.githubusercontent.com
    audience: https://deploy.example.com
    rules:
      - repository: acme/shop
        repository_id: "123"
        repository_owner_id: "456"
        ref: refs/heads/main
        deploy: [web]
`;
const KEY = `issuers:
  - name: ci
    public_key: /etc/deployer-service/ci.pem
    rules: [{ deploy: [web] }]
`;

const NONE: ReadonlySet<string> = new Set();
const oneKey: KeysAt = (path) => [{ fingerprint: path }];

function problems(text: string, keysAt: KeysAt = oneKey): string[] {
  try {
    readRules(FILE, text, keysAt);
  } catch (error) {
    if (error instanceof DeployerError && error.code === "config") return error.message.split("\n");
    throw error;
  }
  return [];
}

test("a rule of GitHub's is what it says, and what it does not say is strict", () => {
  const [issuer] = readRules(FILE, GITHUB, oneKey);
  expect(issuer).toEqual({
    kind: "oidc",
    name: "github",
    url: "https://token.actions.githubusercontent.com",
    audience: "https://deploy.example.com",
    isBound: true,
    rules: [
      {
        at: `${FILE}:6`,
        repository: "acme/shop",
        conditions: [
          { claim: "repository_id", oneOf: ["123"] },
          { claim: "repository_owner_id", oneOf: ["456"] },
          { claim: "ref", oneOf: ["refs/heads/main"] },
          { claim: "ref_type", oneOf: ["branch"] },
          { claim: "event_name", oneOf: ["push", "workflow_dispatch", "release"] },
          { claim: "runner_environment", oneOf: ["github-hosted"] },
        ],
        grant: { deploy: new Set(["web"]), rollback: new Set(), read: new Set(), images: "all", logs: false },
      },
    ],
  });
});

test("a rule of a key is all it has", () => {
  const rules = "[{ deploy: all, images: [nginx, 'R.example.com:443/web'], logs: true }, { read: all }]";
  const nothing: Grant = { deploy: NONE, rollback: NONE, read: NONE, images: "all", logs: false };
  expect(readRules(FILE, KEY.replace("[{ deploy: [web] }]", rules), oneKey)).toEqual([
    {
      kind: "key",
      name: "ci",
      publicKey: "/etc/deployer-service/ci.pem",
      rules: [
        {
          at: `${FILE}:4`,
          grant: {
            ...nothing,
            deploy: "all",
            images: new Set(["docker.io/library/nginx", "r.example.com/web"]),
            logs: true,
          },
        },
        { at: `${FILE}:4`, grant: { ...nothing, read: "all" } },
      ],
    },
  ]);
});

/** What replaces what in GITHUB, and the line and words of the complaint. */
const WRONG: [what: string, from: string, to: string, complaint: RegExp][] = [
  [
    "an unknown key of a rule",
    "deploy:",
    "deploys: [x]\n        deploy:",
    /:10: issuers\[1\]\.rules\[1\]\.deploys: is not known here/,
  ],
  [
    "an unknown key of an issuer",
    "audience:",
    "colour: red\n    audience:",
    /:4: issuers\[1\]\.colour: is not known/,
  ],
  ["an unknown key at the top", "issuers:", "rule: x\nissuers:", /:1: rule: is not known/],
  ["a key twice", "audience:", "name: x\n    audience:", /:4: Map keys must be unique/],
  ["an id as a number", '"123"', "123", /:7: .*repository_id: must be a text: write it in quotes, "123"/],
  [
    "an owner's id as a number",
    '"456"',
    "456",
    /:8: .*repository_owner_id: must be a text: write it in quotes, "456"/,
  ],
  ["an id that is a name", '"123"', "shop", /:7: .*must be the number that GitHub gave it/],
  ["no repository_id", '        repository_id: "123"\n', "", /:6: .*repository_id: is missing/],
  [
    "no repository_owner_id",
    '        repository_owner_id: "456"\n',
    "",
    /:6: .*repository_owner_id: is missing/,
  ],
  ["a repository of a whole owner", "acme/shop", "acme/*", /:6: .*repository: must be owner\/name/],
  [
    "neither ref nor environment",
    "        ref: refs/heads/main\n",
    "",
    /:6: issuers\[1\]\.rules\[1\]: would let every branch/,
  ],
  ["a short ref", "refs/heads/main", "main", /:9: .*ref: must be a whole ref/],
  ["a ref of any depth", "refs/heads/main", "refs/heads/**", /:9: .*"\*\*" for nothing/],
  ...["a..b", ".a", "a/.b", "a.lock", "a.lock/b", "a//b", "a/", "a.", "@{1}", "a@{1}"].map(
    (name): [string, string, string, RegExp] => [
      `a ref that git allows nobody, ${name},`,
      "ref: refs/heads/main",
      `ref: "refs/heads/${name}"`,
      /:9: .*ref: must be a whole ref/,
    ],
  ),
  [
    "a workflow_run without an environment",
    "deploy:",
    "event_name: [push, workflow_run]\n        deploy:",
    /:10: .*event_name: workflow_run comes after any run of another workflow/,
  ],
  [
    "a ref that is a sub",
    "refs/heads/main",
    "repo:acme/shop:ref:refs/heads/main",
    /:9: .*ref: must be a whole ref/,
  ],
  [
    "a ref that is an environment",
    "refs/heads/main",
    "environment:production",
    /:9: .*ref: must be a whole ref/,
  ],
  ["a ref that is a number", "refs/heads/main", "1.0", /:9: .*ref: must be a text: write it in quotes, "1"/],
  ["no ref in a list", "refs/heads/main", "[]", /:9: .*ref: must not be empty/],
  ["a short ref in a list", "refs/heads/main", "[refs/heads/main, x]", /:9: .*ref\[2\]: must be a whole ref/],
  [
    "a ref of pull requests without the event",
    "refs/heads/main",
    "refs/pull/*/merge",
    /:9: .*never comes with the events push, workflow_dispatch, release: name another/,
  ],
  [
    "a release of a branch",
    "deploy:",
    "event_name: [push, release]\n        deploy:",
    /:10: .*event_name: release never comes with the refs refs\/heads\/main/,
  ],
  [
    "pull_request_target",
    "deploy:",
    "event_name: pull_request_target\n        deploy:",
    /:10: .*event_name: must be one of push,/,
  ],
  [
    "an event that is not one",
    "deploy:",
    "event_name: [push, pusch]\n        deploy:",
    /:10: .*event_name\[2\]: must be one of/,
  ],
  [
    "an environment that is a ref",
    "ref: refs/heads/main",
    "environment: refs/heads/main",
    /:9: .*environment: must be the name of an environment alone/,
  ],
  [
    "an environment with a star",
    "ref: refs/heads/main",
    "environment: prod*",
    /:9: .*environment: is taken to the letter/,
  ],
  [
    "an environment that YAML takes for a truth value",
    "ref: refs/heads/main",
    "environment: true",
    /:9: .*environment: must be a text: write it in quotes, "true"/,
  ],
  [
    "a workflow without its ref",
    "deploy:",
    "workflow_ref: acme/shop/.github/workflows/x.yml\n        deploy:",
    /:10: .*workflow_ref: must be "<owner>/,
  ],
  [
    "a workflow of another repository",
    "deploy:",
    "workflow_ref: acme/ci/.github/workflows/x.yml@refs/heads/main\n        deploy:",
    /:10: .*is not of acme\/shop: .* job_workflow_ref/,
  ],
  [
    "a workflow of another branch",
    "deploy:",
    "workflow_ref: acme/shop/.github/workflows/x.yml@refs/heads/dev\n        deploy:",
    /:10: .*@refs\/heads\/dev" never comes with the ref refs\/heads\/main: /,
  ],
  [
    "a short commit",
    "deploy:",
    "workflow_sha: 0d8f7b0\n        deploy:",
    /:10: .*workflow_sha: must be a commit/,
  ],
  [
    "ref_protected as a truth value",
    "deploy:",
    "ref_protected: true\n        deploy:",
    /:10: .*ref_protected: must be "true", in quotes/,
  ],
  [
    "another kind of runner",
    "deploy:",
    "runner_environment: any\n        deploy:",
    /:10: .*runner_environment: must be github-hosted or self-hosted/,
  ],
  [
    "a rule that allows nothing",
    "        deploy: [web]\n",
    "",
    /:6: issuers\[1\]\.rules\[1\]: lets nobody do anything/,
  ],
  ["no service", "[web]", "[]", /:10: .*deploy: must not be empty/],
  ["a service by itself", "[web]", "web", /:10: .*deploy: must be a list of services, or all/],
  [
    "a service that is a number",
    "[web]",
    "[web, 8080]",
    /:10: .*deploy\[2\]: must be a text: write it in quotes, "8080"/,
  ],
  ["a service that is a pattern", "[web]", '["web*"]', /:10: .*deploy\[1\]: must be the name of a service/],
  [
    "an image with a tag",
    "deploy: [web]",
    "deploy: [web]\n        images: [nginx:latest]",
    /:11: .*images\[1\]: must be a repository/,
  ],
  [
    "images without deploy",
    "deploy: [web]",
    "read: [web]\n        images: [nginx]",
    /:11: .*images: has no meaning without deploy/,
  ],
  [
    "logs as a text",
    "deploy: [web]",
    "deploy: [web]\n        logs: yes",
    /:11: .*logs: must be true or false/,
  ],
  ["an issuer without TLS", "https://token", "http://token", /:3: .*issuer: must be the https URL/],
  [
    "an issuer with a slash at its end",
    ".com\n    audience",
    ".com/\n    audience",
    /:3: .*issuer: must be the https URL/,
  ],
  ["an issuer in capitals", "https://token", "https://Token", /:3: .*issuer: must be the https URL/],
  [
    "an issuer with a port too many",
    ".com\n    aud",
    ".com:443\n    aud",
    /:3: .*issuer: must be the https URL/,
  ],
  [
    "an issuer that is a name",
    "https://token.actions.githubusercontent.com",
    "github",
    /:3: .*issuer: must be the https URL/,
  ],
  ["no audience", "    audience: https://deploy.example.com\n", "", /:2: .*audience: is missing/],
  [
    "an audience that would be a binding",
    "deploy.example.com",
    "deploy.example.com#sha256=x",
    /:4: .*audience: must be a text without spaces, # and a slash/,
  ],
  [
    "an audience with a slash at its end, which no client asks for",
    "deploy.example.com",
    "deploy.example.com/",
    /:4: .*audience: must be a text without spaces, # and a slash/,
  ],
  ["a list of audiences", "https://deploy.example.com", "[a, b]", /:4: .*audience: must be a text/],
  ["another bind", "audience:", "bind: false\n    audience:", /:4: .*bind: must be required or optional/],
  [
    "the name of the control socket",
    "name: github",
    "name: host",
    /:2: .*name: is what callers of the control socket/,
  ],
  ["no name", "name: github\n    ", "", /:2: issuers\[1\]\.name: is missing/],
];
test.each(WRONG)("%s is refused, with its line", (_, from, to, complaint) => {
  expect(GITHUB).toContain(from);
  const [first = "", ...more] = problems(GITHUB.replace(from, to));
  expect(first).toMatch(complaint);
  expect(first.startsWith(`${FILE}:`)).toBe(true);
  expect(more).toEqual([]);
});

const RIGHT: [what: string, from: string, to: string][] = [
  [
    "a pull request where it is named",
    "ref: refs/heads/main",
    'ref: "refs/pull/*/merge"\n        event_name: pull_request',
  ],
  ["a release of a tag", "ref: refs/heads/main", 'ref: "refs/tags/v*"\n        event_name: release'],
  ["a ref with dots and an @", "ref: refs/heads/main", 'ref: "refs/heads/v1.2.x/@a.locked"'],
  [
    "a workflow_run of an environment",
    "deploy:",
    "event_name: workflow_run\n        environment: production\n        deploy:",
  ],
  ["an environment without a ref", "ref: refs/heads/main", "environment: [production, staging]"],
  [
    "a reusable workflow of another repository, by commit",
    "deploy:",
    `job_workflow_ref: acme/ci/.github/workflows/x.yml@${"0".repeat(40)}\n        deploy:`,
  ],
  [
    "a workflow of its branch",
    "deploy:",
    "workflow_ref: acme/shop/.github/workflows/x.yml@refs/heads/main\n        deploy:",
  ],
  [
    "a workflow of a branch of the pattern",
    "ref: refs/heads/main",
    'ref: ["refs/heads/release-*"]\n        workflow_ref: acme/shop/.github/workflows/x.yml@refs/heads/release-1',
  ],
  [
    "a workflow of another branch, with an event that may begin it there",
    "deploy:",
    "event_name: [push, deployment]\n        workflow_ref: acme/shop/.github/workflows/x.yml@refs/heads/dev\n        deploy:",
  ],
  [
    "an editor's line",
    "issuers:",
    "# yaml-language-server: $schema=https://example.com/rules.schema.json\nissuers:",
  ],
  ["an anchor", "deploy: [web]", "deploy: &all [web]\n        read: *all"],
];
test.each(RIGHT)("%s is right", (_, from, to) => {
  expect(problems(GITHUB.replace(from, to))).toEqual([]);
});

describe("issuers", () => {
  const both = GITHUB + KEY.replace("issuers:\n", "");

  test("of both kinds stand together", () => {
    expect(readRules(FILE, both, oneKey).map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "github oidc",
      "ci key",
    ]);
  });

  test.each([
    [
      "one name",
      both.replace("name: ci", "name: github"),
      /:11: issuers\[2\]\.name: is the name of another issuer too/,
    ],
    [
      "one URL",
      GITHUB + GITHUB.replace("issuers:\n", "").replace("name: github", "name: other"),
      /:12: issuers\[2\]\.issuer: is there already/,
    ],
    [
      "a claim for a key",
      KEY.replace("deploy:", "ref: refs/heads/main, deploy:"),
      /:4: .*rules\[1\]\.ref: is not known here/,
    ],
    [
      "a relative path",
      KEY.replace("/etc/deployer-service/", ""),
      /:3: .*public_key: must be an absolute path/,
    ],
    ["neither issuer nor key", KEY.replace(/ {4}public_key.*\n/, ""), /:2: issuers\[1\]\.issuer: is missing/],
    ["a text", "issuers: [github]", /:1: issuers\[1\]: must have a name/],
  ])("%s is refused", (_, text, complaint) => {
    expect(problems(text)[0]).toMatch(complaint);
  });

  test("with one key are refused, by whatever path", () => {
    const twice =
      KEY + KEY.replace("issuers:\n", "").replace("name: ci", "name: two").replace("ci.pem", "two.pem");
    expect(problems(twice)).toEqual([]);
    expect(problems(twice, () => [{ fingerprint: "same" }])).toEqual([
      `${FILE}:6: issuers[2].public_key: has a key of issuer "ci": put the rules of a key together`,
    ]);
  });

  test("whose key cannot be used are refused, with what is wrong with it", () => {
    const refuse = () => {
      throw new DeployerError("config", "/etc/x.pem: it holds a private key; give the public one");
    };
    expect(problems(KEY, refuse)).toEqual([
      `${FILE}:3: issuers[1].public_key: /etc/x.pem: it holds a private key; give the public one`,
    ]);
  });
});

test("everything that is wrong is said at once, in the order of its lines", () => {
  const text =
    GITHUB.replace('"123"', "123").replace("refs/heads/main", "main").replace("https:", "http:") +
    "  - name: github\n";
  expect(problems(text).map((line) => line.split(":")[1])).toEqual(["3", "7", "9", "11", "11", "11", "11"]);
});

test.each([
  ["nothing", "", /:1: issuers: must be a list of issuers/],
  ["no issuer", "issuers: []", /:1: issuers: must not be empty/],
  ["no YAML", "issuers: [", /:1: Flow sequence/],
  ["a list", "- a", /:1: /],
  [
    "aliases beyond all bounds",
    `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghij"
      .split("")
      .map((k, i) => `${k}: &${k} [${Array(9).fill(`*${"abcdefghi"[i]}`).join(",")}]`)
      .join("\n")}`,
    /cannot be read as YAML/,
  ],
])("a file with %s is refused", (_, text, complaint) => {
  expect(problems(text)[0]).toMatch(complaint);
});
