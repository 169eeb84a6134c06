import { expect, test } from "bun:test";

import { checkConfig, type Config, configView } from "./config.ts";
import type { Environment } from "./variables.ts";

const ROOT = { uid: 0, home: "/root" };
const PERSON = { uid: 1000, home: "/home/ann" };
const ECR_DOMAIN = "123456789012.dkr.ecr.us-west-2.amazonaws.com";
const REQUIRED = {
  JWT_PUBLIC_KEY_PATH: "/opt/deployer-service/deployer.pub",
  DOCKER_COMPOSE_FILE: "/opt/deployer-service/compose/docker-compose.yml",
  AWS_REGION: "us-west-2",
  ECR_DOMAIN,
  DEBUG_MODE: "false",
};

function readConfig(env: Environment, user: typeof ROOT): Config {
  const result = checkConfig(env, user);
  if ("problems" in result) throw new Error(result.problems.map((problem) => problem.line).join("\n"));
  return result.config;
}

function problemLines(env: Environment, user = ROOT): string[] {
  const result = checkConfig(env, user);
  return "problems" in result ? result.problems.map((problem) => problem.line) : [];
}

test("the original's five variables are enough, everything else has its default", () => {
  expect(readConfig(REQUIRED, ROOT)).toEqual({
    jwtPublicKeyPath: "/opt/deployer-service/deployer.pub",
    jwtIssuers: undefined,
    jwtMaxLifetimeSeconds: 3600,
    jwtStrict: false,
    trustedProxies: [],
    rules: { file: "/etc/deployer-service/rules.yml", isRequired: false },
    composeFile: "/opt/deployer-service/compose/docker-compose.yml",
    registryAuth: "ecr",
    awsRegion: "us-west-2",
    ecrDomain: ECR_DOMAIN,
    debugMode: false,
    port: 8686,
    bindAddress: undefined,
    stateDir: "/var/lib/deployer-service",
    runDir: "/run/deployer-service",
    logTimeZone: "America/Chicago",
    tls: undefined,
  });
});

test("every variable that is set is used", () => {
  const config = readConfig(
    {
      ...REQUIRED,
      DEBUG_MODE: "true",
      PORT: "0",
      BIND_ADDRESS: "127.0.0.1",
      STATE_DIR: "/srv/state",
      RUN_DIR: "/srv/run",
      REGISTRY_AUTH: "docker",
      LOG_TIMEZONE: "UTC",
      JWT_ISSUERS: "github-actions, laptop,",
      JWT_MAX_LIFETIME: "600",
      TLS_CERT_FILE: "/etc/tls/cert.pem",
      TLS_KEY_FILE: "/etc/tls/key.pem",
      DOCKER_HOST: "unix:///run/user/1000/docker.sock",
    },
    ROOT,
  );
  expect(config).toMatchObject({
    debugMode: true,
    port: 0,
    bindAddress: "127.0.0.1",
    stateDir: "/srv/state",
    runDir: "/srv/run",
    registryAuth: "docker",
    ecrDomain: ECR_DOMAIN,
    logTimeZone: "UTC",
    jwtIssuers: ["github-actions", "laptop"],
    jwtMaxLifetimeSeconds: 600,
    tls: { certFile: "/etc/tls/cert.pem", keyFile: "/etc/tls/key.pem" },
  });
});

test("an empty environment names all five required variables in the original's words", () => {
  expect(problemLines({})).toEqual(
    ["JWT_PUBLIC_KEY_PATH", "DOCKER_COMPOSE_FILE", "DEBUG_MODE", "AWS_REGION", "ECR_DOMAIN"].map(
      (name) => `${name} environment variable not set; aborting startup`,
    ),
  );
});

for (const name of Object.keys(REQUIRED)) {
  for (const value of [undefined, ""]) {
    test(`${name} ${value === "" ? "empty" : "unset"} is the only line`, () => {
      expect(problemLines({ ...REQUIRED, [name]: value })).toEqual([
        `${name} environment variable not set; aborting startup`,
      ]);
    });
  }
}

test("all problems come at once, one line each", () => {
  const env = {
    ...REQUIRED,
    ECR_DOMAIN: undefined,
    DEBUG_MODE: "yes",
    PORT: "http",
    LOG_TIMEZONE: "Mars/Base",
    DOCKER_HOST: "ssh://ann@host",
  };
  expect(problemLines(env)).toEqual([
    "DEBUG_MODE environment variable must be set to 'true' or 'false'; aborting startup",
    "PORT must be a port from 1 to 65535, or 0 for any free one",
    "LOG_TIMEZONE must be a time zone such as America/Chicago or UTC",
    "ECR_DOMAIN environment variable not set; aborting startup",
    'DOCKER_HOST "ssh://ann@host" cannot be used: only unix:///path/to/docker.sock and tcp://host:port are supported',
  ]);
});

const INVALID: [variable: string, values: string[]][] = [
  ["DEBUG_MODE", ["TRUE", "1", " true", "no"]],
  ["PORT", ["65536", "-1", "8686 ", "1e3", "0x50", "99999999999999999999"]],
  ["AWS_REGION", ["us_west_2", "US-WEST-2", "../x", "us-west-2 "]],
  [
    "ECR_DOMAIN",
    ["https://registry.example.com", "registry.example.com/app", "a b", "registry.example.com/"],
  ],
  ["ECR_ACCOUNT_ID", ["1234", "123456789012a"]],
  ["BIND_ADDRESS", ["a b", "127.0.0.1/8"]],
  ["STATE_DIR", ["state", "./state"]],
  ["STATE_DIRECTORY", ["deployer-service"]],
  ["RUN_DIR", ["run"]],
  ["REGISTRY_AUTH", ["ECR", "aws"]],
  ["LOG_TIMEZONE", ["CST6CDT7", "Chicago"]],
  ["JWT_ISSUERS", [",", " , "]],
  ["DOCKER_HOST", ["ssh://ann@host", "unix://docker.sock", "https://host:2376", "tcp://"]],
  ["JWT_STRICT", ["TRUE", "1", "yes"]],
  [
    "TRUSTED_PROXIES",
    ["localhost", "10.0.0.0/33", "10.0.0", "fd00::/129", "::1/64/1", "10.0.0.0/", "fe80::1%eth0"],
  ],
  ["JWT_MAX_LIFETIME", ["0", "1h", "-5", "1.5"]],
];
for (const [variable, values] of INVALID) {
  for (const value of values) {
    test(`${variable}=${JSON.stringify(value)} is refused`, () => {
      const result = checkConfig({ ...REQUIRED, [variable]: value }, ROOT);
      expect("problems" in result && result.problems.map((problem) => problem.variable)).toEqual([variable]);
    });
  }
}

test.each([
  ["TLS_CERT_FILE", "TLS_KEY_FILE"],
  ["TLS_KEY_FILE", "TLS_CERT_FILE"],
])("%s alone is half of what TLS needs", (given, missing) => {
  expect(problemLines({ ...REQUIRED, [given]: "/etc/tls/one.pem" })).toEqual([
    `${missing} is needed too: a certificate and its key go together`,
  ]);
});

test("a daemon that speaks TLS says so in its configuration", () => {
  const tls = { TLS_CERT_FILE: "/etc/tls/cert.pem", TLS_KEY_FILE: "/etc/tls/key.pem" };
  expect(configView(readConfig({ ...REQUIRED, ...tls }, ROOT), "v1")).toMatchObject({
    tls_cert_file: "/etc/tls/cert.pem",
  });
});

test("JWT_STRICT and TRUSTED_PROXIES are read, and the proxy that is none is named", () => {
  const env = { ...REQUIRED, JWT_STRICT: "true", TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8,, fd00::/8" };
  expect(readConfig(env, ROOT)).toMatchObject({
    jwtStrict: true,
    trustedProxies: ["127.0.0.1", "10.0.0.0/8", "fd00::/8"],
  });
  expect(problemLines({ ...REQUIRED, TRUSTED_PROXIES: "127.0.0.1,proxy.example.com" })).toEqual([
    'TRUSTED_PROXIES "proxy.example.com" is neither an address nor a network (10.0.0.0/8)',
  ]);
});

test("a DOCKER_HOST by TCP is refused where the docker command would use TLS", () => {
  const env = { ...REQUIRED, DOCKER_HOST: "tcp://host:2376" };
  expect(problemLines(env)).toEqual([]);
  expect(problemLines({ ...env, DOCKER_TLS_VERIFY: "1" })).toEqual([
    'DOCKER_HOST "tcp://host:2376" cannot be used: DOCKER_TLS_VERIFY is set, and TLS to Docker is not supported',
  ]);
});

test("the registry's domain follows from account and region", () => {
  const env = { ...REQUIRED, ECR_DOMAIN: undefined, ECR_ACCOUNT_ID: "210987654321" };
  expect(readConfig(env, ROOT).ecrDomain).toBe("210987654321.dkr.ecr.us-west-2.amazonaws.com");
  expect(readConfig({ ...env, AWS_REGION: "cn-north-1" }, ROOT).ecrDomain).toBe(
    "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn",
  );
  expect(readConfig({ ...env, ECR_DOMAIN }, ROOT).ecrDomain).toBe(ECR_DOMAIN);
});

for (const auth of ["docker", "none"]) {
  test(`REGISTRY_AUTH=${auth} needs neither region nor domain`, () => {
    const env = { ...REQUIRED, AWS_REGION: undefined, ECR_DOMAIN: undefined, REGISTRY_AUTH: auth };
    expect(configView(readConfig(env, ROOT), "v1.2.3")).toMatchObject({ aws_region: "", ecr_domain: "" });
  });
}

const FOLDERS: [env: Environment, user: typeof ROOT, stateDir: string, runDir: string][] = [
  [{}, ROOT, "/var/lib/deployer-service", "/run/deployer-service"],
  [{ XDG_STATE_HOME: "/x" }, ROOT, "/var/lib/deployer-service", "/run/deployer-service"],
  [{ STATE_DIRECTORY: "/a:/b", RUNTIME_DIRECTORY: "/r:/s" }, ROOT, "/a", "/r"],
  [{ STATE_DIRECTORY: "/a", STATE_DIR: "/c", RUNTIME_DIRECTORY: "/r", RUN_DIR: "/t" }, PERSON, "/c", "/t"],
  [{}, PERSON, "/home/ann/.local/state/deployer-service", "/home/ann/.local/state/deployer-service/run"],
  [{ XDG_STATE_HOME: "/x" }, PERSON, "/x/deployer-service", "/x/deployer-service/run"],
  [
    { XDG_STATE_HOME: "x" },
    PERSON,
    "/home/ann/.local/state/deployer-service",
    "/home/ann/.local/state/deployer-service/run",
  ],
];
for (const [env, user, stateDir, runDir] of FOLDERS) {
  test(`${JSON.stringify(env)} as uid ${user.uid} keeps its state in ${stateDir}`, () => {
    expect(readConfig({ ...REQUIRED, ...env }, user)).toMatchObject({ stateDir, runDir });
  });
}

test("a user without a home must name STATE_DIR", () => {
  const homeless = { uid: 1000, home: "" };
  expect(problemLines(REQUIRED, homeless)).toEqual([
    "STATE_DIR environment variable not set, and there is no home directory to fall back on",
  ]);
  expect(problemLines({ ...REQUIRED, STATE_DIR: "/srv/state" }, homeless)).toEqual([]);
});

test("the view of /config has the original's keys in its order", () => {
  expect(JSON.stringify(configView(readConfig(REQUIRED, ROOT), "v1.2.3"))).toBe(
    '{"version":"v1.2.3","port":"8686","debug_mode":false,"aws_region":"us-west-2","ecr_domain":"123456789012.dkr.ecr.us-west-2.amazonaws.com","docker_compose_file":"/opt/deployer-service/compose/docker-compose.yml","jwt_public_key_path":"/opt/deployer-service/deployer.pub"}',
  );
});

const RULES = "/etc/deployer-service/rules.yml";
const RULES_FILES: [given: string | undefined, rules: Config["rules"]][] = [
  [undefined, { file: RULES, isRequired: false }],
  ["/srv/rules.yml", { file: "/srv/rules.yml", isRequired: true }],
  ["none", undefined],
];
test.each(RULES_FILES)("RULES_FILE %p", (given, rules) => {
  expect(readConfig({ ...REQUIRED, RULES_FILE: given }, ROOT).rules).toEqual(rules);
});

test("RULES_FILE is a whole path", () => {
  expect(problemLines({ ...REQUIRED, RULES_FILE: "rules.yml" })).toEqual([
    'RULES_FILE must be an absolute path, or "none"',
  ]);
});

test("with rules no key need be named, for they name theirs", () => {
  const { JWT_PUBLIC_KEY_PATH: _key, ...keyless } = REQUIRED;
  const missing = (env: Environment, ...files: string[]): boolean =>
    "problems" in checkConfig(env, ROOT, (path) => files.includes(path));
  expect(missing(keyless)).toBe(true);
  expect(missing(keyless, RULES)).toBe(false);
  expect(missing({ ...keyless, RULES_FILE: "/srv/rules.yml" })).toBe(false);
  expect(missing({ ...keyless, RULES_FILE: "none" }, RULES)).toBe(true);
});
