import { expect, test } from "bun:test";

import { dockerHost } from "./host.ts";

test("the default socket is used when DOCKER_HOST is unset or empty", () => {
  const expected = {
    text: "unix:///var/run/docker.sock",
    origin: "http://docker",
    unix: "/var/run/docker.sock",
  };
  expect(dockerHost({})).toEqual(expected);
  expect(dockerHost({ DOCKER_HOST: "" })).toEqual(expected);
});

test("a socket elsewhere and a TCP address are taken as written", () => {
  expect(dockerHost({ DOCKER_HOST: "unix:///run/user/1000/docker.sock" }).unix).toBe(
    "/run/user/1000/docker.sock",
  );
  expect(dockerHost({ DOCKER_HOST: "tcp://10.0.0.5:2376" })).toEqual({
    text: "tcp://10.0.0.5:2376",
    origin: "http://10.0.0.5:2376",
    unix: undefined,
  });
  expect(dockerHost({ DOCKER_HOST: "tcp://localhost" }).origin).toBe("http://localhost:2375");
  expect(dockerHost({ DOCKER_HOST: "tcp://[::1]:2375" }).origin).toBe("http://[::1]:2375");
});

test.each([
  ["ssh://host", "only unix:///path/to/docker.sock and tcp://host:port are supported"],
  ["/var/run/docker.sock", "only unix:///path/to/docker.sock and tcp://host:port are supported"],
  ["unix://docker.sock", "the socket needs an absolute path, as in unix:///var/run/docker.sock"],
  ["tcp://", "expected tcp://host:port"],
  ["tcp://user:pw@host:1", "expected tcp://host:port"],
  ["tcp://host:1/path", "expected tcp://host:port"],
  ["tcp://host:99999", "expected tcp://host:port"],
])("DOCKER_HOST=%s is a configuration error that says what is supported", (value, reason) => {
  expect(() => dockerHost({ DOCKER_HOST: value })).toThrow(
    `DOCKER_HOST ${JSON.stringify(value)} cannot be used: ${reason}`,
  );
});

test("TLS to Docker is refused rather than spoken in clear", () => {
  expect(() => dockerHost({ DOCKER_HOST: "tcp://host:2376", DOCKER_TLS_VERIFY: "1" })).toThrow(
    "TLS to Docker is not supported",
  );
});
