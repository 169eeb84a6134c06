import { describe, expect, test } from "bun:test";

import { running } from "../../test/fakes/deployment.ts";
import { kept } from "../../test/fakes/kept.ts";
import { service } from "../../test/fakes/service.ts";
import { fakeWorld, type World } from "../../test/fakes/world.ts";
import { DeployerError } from "./errors.ts";
import { keepUp } from "./keep-up.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Lets the daemon live for so long. */
async function live(
  world: World,
  milliseconds: number,
  bootId = "boot 1",
  dockerAnswers = () => undefined,
): Promise<void> {
  const stop = new AbortController();
  void world.clock.sleep(milliseconds).then(() => stop.abort(new DeployerError("interrupted", "stopped")));
  await keepUp(bootId, dockerAnswers, world, stop.signal);
}

/** A world where `web` and `db` run, as Docker restarts neither by itself. */
function shop(): World {
  const world = fakeWorld([service("db"), service("web")]);
  world.add("db");
  world.add("web");
  return world;
}

const messages = (world: World): string[] => world.log.lines.map(({ message }) => message);

describe("the start", () => {
  test("says that Docker answers, then brings up, then notes what runs", async () => {
    const world = fakeWorld([service("web")]);
    let answers = 0;
    await live(world, MINUTE, "boot 1", () => {
      answers += 1;
      expect(world.ps()).toEqual([]);
    });
    expect(answers).toBe(1);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
    expect(world.store.lastLook()).toEqual({ start: "boot 1, engine 1", running: ["web-1"] });
    expect(messages(world)).toContain("services are up");
    expect(messages(world)).not.toContain("Docker went away");
  });

  test("waits for Docker with growing pauses, and goes on when it is there", async () => {
    const world = shop();
    world.dockerStops();
    let answeredAt = 0;
    const began = world.clock.now();
    world.clock.at(100 * SECOND, () => world.dockerStarts());
    await live(world, 5 * MINUTE, "boot 1", () => {
      answeredAt = world.clock.now() - began;
      return undefined;
    });
    const pauses = world.log.lines
      .filter(({ message }) => message === "the start cannot go on yet, trying again")
      .map(({ fields }) => fields["seconds"]);
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60]);
    expect(answeredAt).toBe(123 * SECOND);
  });

  test("removes what before commands have left, but for those of a deployment that goes on", async () => {
    const world = shop();
    world.store.insert(running("web"));
    for (const deployment of ["d0", "d1"]) {
      const labels = { "deployer-service.before": `${deployment}.web.1` };
      world.add("web", { oneOff: true, state: "exited", labels });
    }
    expect(world.ps()).toHaveLength(4);
    await live(world, MINUTE);
    const labels = (await world.engine.containers("shop")).flatMap(
      (container) => container.labels["deployer-service.before"] ?? [],
    );
    expect(labels).toEqual(["d1.web.1"]);
    expect(world.ps()).toHaveLength(3);
  });

  test("begins anew when Docker goes away in the middle of it", async () => {
    const world = fakeWorld([service("web")]);
    const startIds = [Promise.reject(new DeployerError("docker", "connection reset"))];
    const engine = {
      ...world.engine,
      startId: () => startIds.shift() ?? world.engine.startId(),
    };
    await live({ ...world, engine }, MINUTE);
    expect(world.ps()).toEqual(["web-1 running web:v1"]);
    expect(world.log.lines).toContainEqual({
      level: "warn",
      message: "the start cannot go on yet, trying again",
      fields: { reason: "connection reset", seconds: 1 },
    });
  });

  test("tries again what could not be brought up, and nothing else", async () => {
    const world = fakeWorld([service("bad"), service("web")]);
    world.fail("pull bad:v1");
    world.clock.at(10 * SECOND, () => world.before("pull bad:v1", () => undefined));
    await live(world, MINUTE);
    expect(world.ps()).toEqual(["web-1 running web:v1", "bad-1 running bad:v1"]);
    expect(world.calls.filter((call) => call.startsWith("start"))).toEqual(["start web-1", "start bad-1"]);
    // At 0, 1, 3, 7 and 15 s.
    expect(world.calls.filter((call) => call === "pull bad:v1")).toHaveLength(5);
  });
});

describe("after a boot of the host", () => {
  /** What ran at the last look went down with the host. */
  function booted(): World {
    const world = shop();
    world.store.saveLook({ start: "boot 1, engine 1", running: ["db-1", "web-1"] });
    world.stopByHand("db-1");
    world.stopByHand("web-1");
    return world;
  }

  test("what ran comes back, the same containers", async () => {
    const world = booted();
    await live(world, MINUTE, "boot 2");
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 running web:v1"]);
    expect(world.store.lastLook()).toEqual({ start: "boot 2, engine 1", running: ["db-1", "web-1"] });
  });

  test("what a person had stopped stays stopped", async () => {
    const world = booted();
    world.store.saveLook({ start: "boot 1, engine 1", running: ["db-1"] });
    await live(world, MINUTE, "boot 2");
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 exited web:v1"]);
  });

  test("a Docker that was restarted while no daemon ran counts as much as a host", async () => {
    const world = booted();
    world.dockerStops();
    world.dockerStarts();
    await live(world, MINUTE, "boot 1");
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 running web:v1"]);
    expect(world.store.lastLook()).toEqual({ start: "boot 1, engine 2", running: ["db-1", "web-1"] });
  });

  test("on the same boot nothing is started: whoever stopped it wanted that", async () => {
    const world = booted();
    await live(world, 2 * MINUTE, "boot 1");
    expect(world.ps()).toEqual(["db-1 exited db:v1", "web-1 exited web:v1"]);
    expect(world.store.lastLook()).toEqual({ start: "boot 1, engine 1", running: [] });
  });

  test("what has yet to come back is still known after a crash", async () => {
    const world = booted();
    world.fail("start web-1");
    await live(world, MINUTE, "boot 2");
    expect(world.store.lastLook()?.running).toEqual(["db-1", "web-1"]);
    world.before("start web-1", () => undefined);
    await live(world, MINUTE, "boot 2");
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 running web:v1"]);
  });

  test("what came back and was then stopped by a person is not started with the next try of another", async () => {
    const world = booted();
    world.fail("start db-1");
    world.clock.at(20 * SECOND, () => world.stopByHand("web-1"));
    await live(world, 10 * MINUTE, "boot 2");
    expect(world.ps()).toEqual(["db-1 exited db:v1", "web-1 exited web:v1"]);
  });
});

describe("while it lives", () => {
  test("it notes what runs, within ten seconds", async () => {
    const world = shop();
    world.clock.at(30 * SECOND, () => void world.add("web"));
    world.clock.at(40 * SECOND, () =>
      expect(world.store.lastLook()?.running).toEqual(["db-1", "web-1", "web-2"]),
    );
    await live(world, MINUTE);
  });

  test("what ended less than a minute ago still counts: Docker may be going down", async () => {
    const world = shop();
    world.clock.at(15 * SECOND, () => world.stopByHand("web-1"));
    world.clock.at(70 * SECOND, () => expect(world.store.lastLook()?.running).toEqual(["db-1", "web-1"]));
    await live(world, 100 * SECOND);
    expect(world.store.lastLook()?.running).toEqual(["db-1"]);
  });

  test("what a person stops is not started again", async () => {
    const world = shop();
    world.clock.at(15 * SECOND, () => world.stopByHand("web-1"));
    await live(world, 10 * MINUTE);
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 exited web:v1"]);
  });

  test("when Docker goes away and comes back, so does what ran", async () => {
    const world = shop();
    let answers = 0;
    world.clock.at(30 * SECOND, () => world.dockerStops());
    world.clock.at(45 * SECOND, () => world.dockerStarts());
    await live(world, 5 * MINUTE, "boot 1", () => {
      answers += 1;
      return undefined;
    });
    expect(messages(world)).toContain("Docker went away");
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 running web:v1"]);
    expect(answers).toBe(2);
  });

  test("each time that Docker is away, the pauses begin small again", async () => {
    const world = shop();
    for (const minute of [1, 3]) {
      world.clock.at(minute * MINUTE, () => world.dockerStops());
      world.clock.at(minute * MINUTE + 10 * SECOND, () => world.dockerStarts());
    }
    await live(world, 5 * MINUTE);
    const pauses = world.log.lines
      .map(({ fields }) => fields["seconds"])
      .filter((seconds) => seconds !== undefined);
    expect(pauses).toEqual([1, 2, 4, 8, 1, 2, 4, 8]);
  });

  test("what a person stopped long before Docker went away stays stopped", async () => {
    const world = shop();
    world.clock.at(10 * SECOND, () => world.stopByHand("web-1"));
    world.clock.at(2 * MINUTE, () => world.dockerStops());
    world.clock.at(3 * MINUTE, () => world.dockerStarts());
    await live(world, 10 * MINUTE);
    expect(world.ps()).toEqual(["db-1 running db:v1", "web-1 exited web:v1"]);
  });

  test("a Docker that answers and yet says at once that it goes away is asked once a second", async () => {
    const world = shop();
    let questions = 0;
    const engine = {
      ...world.engine,
      untilGone: async () => undefined,
      ping: () => {
        questions += 1;
        return world.engine.ping();
      },
    };
    await live({ ...world, engine }, MINUTE);
    expect(questions).toBe(60);
  });

  test("it may live for long: looks at what runs leave nothing in memory", async () => {
    const world = shop();
    const looks = 500;
    const stop = new AbortController();
    const life = keepUp("boot 1", () => undefined, world, stop.signal);
    await world.clock.sleep(MINUTE);
    expect(await kept("Promise", () => world.clock.sleep(looks * 10 * SECOND))).toBeLessThan(looks / 10);
    stop.abort(new DeployerError("interrupted", "stopped"));
    await life;
  });

  test("nothing is written while nothing changes", async () => {
    const world = shop();
    let looks = 0;
    const store = {
      ...world.store,
      saveLook: (look: Parameters<typeof world.store.saveLook>[0]) => {
        looks += 1;
        world.store.saveLook(look);
      },
    };
    await live({ ...world, store }, 10 * MINUTE);
    expect(looks).toBe(1);
  });
});
