import { describe, expect, test } from "bun:test";

import { complaint } from "./complaint.ts";

const told = (stderr: string): string =>
  complaint({ exitCode: 15, signal: undefined, stdout: "", stderr, timedOut: false });

/** As Compose 2.26.1 prints them, unless said otherwise. */
describe("a complaint that quotes a value leaves it out", () => {
  test.each([
    ['line 6: unterminated quoted value "hunter2secret\n', "line 6: unterminated quoted value"],
    ["line 1: unterminated quoted value 'hunter2secret\n", "line 1: unterminated quoted value"],
    [
      'failed to read /srv/.env: line 3: unterminated quoted value "hunter2secret\n',
      "failed to read /srv/.env: line 3: unterminated quoted value",
    ],
    [
      'line 2: unexpected character "!" in variable name "hunter2 secret!=x"\n',
      'line 2: unexpected character "!" in variable name',
    ],
    [
      'line 2: unexpected character "\\"" in variable name "\\"hunter2secret\\"=x"\n',
      'line 2: unexpected character "\\"" in variable name',
    ],
    // Compose before 2.20
    [
      'unexpected character "+" in variable name near "hunter+2\\nPW=hunter2\\n"\n',
      'unexpected character "+" in variable name',
    ],
    ['Invalid template: "hunter${2secret"\n', "Invalid template"],
    [
      "invalid interpolation format for services.web.environment.PW.\nYou may need to escape any $ with another $.\nhunter${2secret\n",
      "invalid interpolation format for services.web.environment.PW",
    ],
    [
      "invalid interpolation format for services.web.environment.[].\nYou may need to escape any $ with another $.\nPW=a\ntime=hunter2\nhunter${2secret\n",
      "invalid interpolation format for services.web.environment.[]",
    ],
    [
      'invalid interpolation format for services.web.environment.PW: "hunter${2secret". You may need to escape any $ with another $\n',
      "invalid interpolation format for services.web.environment.PW",
    ],
    [
      'error while interpolating services.web.scale: failed to cast to expected type: strconv.Atoi: parsing "hunter2": invalid syntax\n',
      "error while interpolating services.web.scale: failed to cast to expected type: strconv.Atoi: parsing a value: invalid syntax",
    ],
    [
      "error while interpolating services.web.init: failed to cast to expected type: invalid boolean: hunter2\nhunter3\n",
      "error while interpolating services.web.init: failed to cast to expected type: invalid boolean",
    ],
    [
      "decoding failed due to the following error(s):\n\nerror decoding 'services[web].stop_grace_period': time: invalid duration \"hunter2\"\n",
      "error decoding 'services[web].stop_grace_period': time: invalid duration",
    ],
    [
      "decoding failed due to the following error(s):\n\nerror decoding 'services[web].mem_limit': invalid size: 'hunter2'\n",
      "error decoding 'services[web].mem_limit': invalid size",
    ],
    [
      "decoding failed due to the following error(s):\n\nerror decoding 'services[web].extra_hosts': invalid additional host, missing IP: hunter2\n",
      "error decoding 'services[web].extra_hosts': invalid additional host, missing IP",
    ],
    ["Invalid containerPort: hunter2secret\n", "Invalid containerPort"],
    ["Invalid hostPort: hunter2\n", "Invalid hostPort"],
    // go-yaml and the JSON schema of later versions, the engine
    [
      "yaml: unmarshal errors:\n  line 4: cannot unmarshal !!str `hunter2...` into int\n",
      "line 4: cannot unmarshal !!str into int",
    ],
    [
      "validating /srv/c.yml: services.web.ports.0 'hunter2' does not match pattern '^a$'\n",
      "validating /srv/c.yml: services.web.ports.0 the value does not match pattern '^a$'",
    ],
    [
      "Error response from daemon: invalid environment variable: =hunter2\n",
      "Error response from daemon: invalid environment variable",
    ],
  ])("%j", (stderr, message) => {
    expect(told(stderr)).toBe(message);
    expect(told(`time="2026-11-23T12:00:00Z" level=warning msg="The \\"A\\" is not set"\n${stderr}`)).toBe(
      message,
    );
  });
});

test.each([
  "line 1: key cannot contain a space",
  "yaml: line 3: mapping values are not allowed in this context",
  "yaml: line 2: found character that cannot start any token",
  "yaml: line 2: did not find expected ',' or ']'",
  "yaml: unknown anchor 'base' referenced",
  'line 4: mapping key "image" already defined at line 3',
  'service "web" has neither an image nor a build context specified: invalid compose project',
  'service "web" depends on undefined service "db": invalid compose project',
  'service "web" refers to undefined volume data: invalid compose project',
  "services.web: can't set distinct values on 'cpus' and 'deploy.resources.limits.cpus': invalid compose project",
  "validating /srv/c.yml: services.web Additional property imaje is not allowed",
  "validating /srv/c.yml: services.web.image must be a string",
  "error decoding 'services[web].command': invalid command line string",
  "error while interpolating services.web.environment.PW: required variable PW is missing a value: must be set",
  "env file /srv/nowhere.env not found: stat /srv/nowhere.env: no such file or directory",
  'cannot extend service "web" in /srv/c.yml: service "xx" not found',
  "dependency cycle detected: b -> web -> b",
  "open /srv/c.yml: no such file or directory",
  "Error response from daemon: No such image: web:v2",
  "Error response from daemon: invalid reference format: repository name must be lowercase",
  'Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /srv/conf',
  'Error response from daemon: Conflict. The container name "/web" is already in use by container "0123456789ab".',
])("%j is told as it is", (line) => {
  expect(told(` Container shop-web-2  Creating\n${line}\n`)).toBe(line);
});

test.each(["Error: failed to start containers: 32cb02fe45cd", "failed to start containers: 32cb02fe45cd"])(
  "the reason is told, not the sum after it: %s",
  (sum) => {
    const reason = 'Error response from daemon: exec: "/no/such": no such file or directory: unknown';
    expect(told(`${reason}\n${sum}\n`)).toBe(reason);
  },
);
