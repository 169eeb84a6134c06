import { expect, test } from "bun:test";

import {
  type CommandLine,
  configCommand,
  createCommand,
  createOwnCommand,
  defaultServicesCommand,
  hashCommand,
  recreateCommand,
  runCommand,
  settingsCommand,
} from "./commands.ts";

const FILES = ["/srv/docker-compose.yml", "/state/candidate.compose.yml"] as const;
const COMPOSE: CommandLine = ["docker", "compose", "-f", FILES[0], "-f", FILES[1]];

test("the file is resolved with all its profiles", () => {
  expect(configCommand(["/srv/docker-compose.yml"])).toEqual([
    "docker",
    "compose",
    "-f",
    "/srv/docker-compose.yml",
    "--profile",
    "*",
    "config",
    "--format",
    "json",
  ]);
  expect(settingsCommand(FILES)).toEqual([...COMPOSE, "--profile", "*", "config"]);
});

test("the services of a plain up are asked for without any", () => {
  expect(defaultServicesCommand(FILES)).toEqual([...COMPOSE, "config", "--services"]);
});

test("the hashes are asked for with all of them", () => {
  expect(hashCommand(FILES)).toEqual([...COMPOSE, "--profile", "*", "config", "--hash", "*"]);
});

test("creating starts, builds, pulls and replaces nothing, and takes the dependencies along", () => {
  expect(createCommand(FILES, "web", 3, new Map())).toEqual([
    ...COMPOSE,
    "up",
    "--no-start",
    "--no-build",
    "--pull",
    "never",
    "--no-recreate",
    "--scale",
    "web=3",
    "--",
    "web",
  ]);
});

test("creating leaves the containers that others have beyond the file's number alone", () => {
  expect(createCommand(FILES, "web", 3, new Map([["db", 2]])).slice(-7)).toEqual([
    "--no-recreate",
    "--scale",
    "db=2",
    "--scale",
    "web=3",
    "--",
    "web",
  ]);
});

test("in a project of our own its name is said, whatever the environment says", () => {
  const own = { project: "shop-edge", file: "/state/edge/proxy.json" };
  expect(createOwnCommand(own, "edge", 2)).toEqual([
    "docker",
    "compose",
    "--project-name",
    "shop-edge",
    "-f",
    "/state/edge/proxy.json",
    "up",
    "--no-start",
    "--no-build",
    "--pull",
    "never",
    "--no-recreate",
    "--scale",
    "edge=2",
    "--",
    "edge",
  ]);
});

test("recreating starts, builds and pulls nothing", () => {
  expect(recreateCommand(FILES, "web", { withDependencies: true })).toEqual([
    ...COMPOSE,
    "up",
    "--no-start",
    "--no-build",
    "--pull",
    "never",
    "--force-recreate",
    "--",
    "web",
  ]);
});

test("recreating alone leaves the dependencies out", () => {
  expect(recreateCommand(FILES, "web", { withDependencies: false })).toEqual([
    ...COMPOSE,
    "up",
    "--no-start",
    "--no-build",
    "--pull",
    "never",
    "--force-recreate",
    "--no-deps",
    "--",
    "web",
  ]);
});

test("a command of its own is run without dependencies, terminal and input; no word of it is a flag of Compose", () => {
  const labels = { "deployer-service.before": "d1.web.1", owner: "a=b c" };
  expect(runCommand(FILES, "web", ["--rm", "a b", "$HOME", "--"], labels)).toEqual([
    ...COMPOSE,
    "run",
    "--detach",
    "--no-deps",
    "-T",
    "--interactive=false",
    "--label",
    "deployer-service.before=d1.web.1",
    "--label",
    "owner=a=b c",
    "--",
    "web",
    "--rm",
    "a b",
    "$HOME",
    "--",
  ]);
});
