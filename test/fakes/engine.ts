import { DeployerError } from "../../src/core/errors.ts";
import type { Engine, Registry } from "../../src/core/engine.ts";
import type { Disk, Probe } from "../../src/core/ports.ts";
import type { FakeHost } from "./host.ts";
import { nameAndTag } from "./images.ts";
import { ageOf, passes } from "./life.ts";
import { fakeNetworks } from "./networks.ts";

export function fakeEngine(host: FakeHost): Engine {
  const { containers, images } = host;
  return {
    ...fakeNetworks(host),
    async untilGone(signal) {
      host.assertThere();
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener("abort", () => aborted.resolve(), { once: true });
      await Promise.race([host.gone, aborted.promise]);
    },
    async startId() {
      host.assertThere();
      return `engine ${host.starts}`;
    },
    async ping() {
      host.assertThere();
      return { version: "29.0.0", apiVersion: "1.52" };
    },
    async info() {
      host.assertThere();
      return { os: "linux", architecture: "amd64", rootDir: "/var/lib/docker" };
    },
    async containers() {
      host.assertThere();
      return structuredClone([...containers.values()].map((container) => host.seen(container)));
    },
    async container(id) {
      host.assertThere();
      const container = containers.get(id);
      return container && structuredClone(host.seen(container));
    },
    start: (id) =>
      host.act(`start ${id}`, () => {
        const container = host.existing(id);
        const { cannotStart } = host.lifeOf(container);
        if (cannotStart !== undefined) throw new DeployerError("docker", cannotStart);
        host.run(container);
      }),
    stop: (id) =>
      host.act(`stop ${id}`, () => {
        host.assertThere();
        const container = containers.get(id);
        if (container === undefined) return;
        if (["running", "restarting", "paused"].includes(host.seen(container).state))
          host.end(container, 143);
      }),
    endBySignal: (id, signal) =>
      host.act(`send ${signal} to ${id}`, () => {
        host.assertThere();
        const container = containers.get(id);
        if (container !== undefined && host.seen(container).state === "running") host.end(container, 0);
      }),
    async wasToldToStop(id) {
      host.assertThere();
      return host.told.has(id);
    },
    restart: (id) =>
      host.act(`restart ${id}`, () => {
        const container = host.existing(id);
        const { cannotStart } = host.lifeOf(container);
        host.end(container, 143);
        if (cannotStart !== undefined) throw new DeployerError("docker", cannotStart);
        host.run(container);
      }),
    remove: (id, { volumes }) =>
      host.act(`remove ${id}${volumes ? " with volumes" : ""}`, () => {
        host.assertThere();
        containers.delete(id);
      }),
    async logs(id, lines) {
      return (host.lifeOf(host.existing(id)).prints ?? []).slice(-lines);
    },
    async exec(id) {
      await host.hooks.get(`exec ${id}`)?.();
      const container = host.existing(id);
      if (container.state !== "running") throw new DeployerError("docker", `Container ${id} is not running`);
      return passes(host.lifeOf(container), ageOf(container, host.clock.now()))
        ? { exitCode: 0, output: "well" }
        : { exitCode: 1, output: "not well" };
    },
    disconnect: (networkId, id) =>
      host.act(`disconnect ${id} from ${nameOf(networkId)}`, () => {
        const container = host.existing(id);
        container.networks = container.networks.filter((each) => each.networkId !== networkId);
      }),
    connect: (attachment, id) =>
      host.act(
        `connect ${[id, "to", attachment.network, ...asAliases(attachment.aliases)].join(" ")}`,
        () => {
          const container = host.existing(id);
          if (container.networks.some((each) => each.networkId === attachment.networkId)) return;
          const address = container.state === "running" ? host.newAddress() : "";
          container.networks = [...container.networks, { ...structuredClone(attachment), address }];
        },
      ),
    async imageId(image) {
      host.assertThere();
      return images.idOf(image);
    },
    async image(image) {
      host.assertThere();
      const id = images.idOf(image);
      return id === undefined ? undefined : images.image(id);
    },
    async images() {
      host.assertThere();
      return images.all();
    },
    tag: (id, repository, tag) =>
      host.act(`tag ${repository}:${tag}`, () => {
        host.assertThere();
        const known = images.idOf(id);
        if (known === undefined) throw new DeployerError("docker", `No such image: ${id}`);
        images.local.set(`${repository}:${tag}`, known);
      }),
    async removeImage(name) {
      let answer: "removed" | "in use" | "gone" = "gone";
      await host.act(`remove image ${name}`, () => {
        host.assertThere();
        const isUsed = (id: string): boolean => [...containers.values()].some((each) => each.imageId === id);
        answer = images.remove(name, isUsed);
      });
      return answer;
    },
    resolveDigest: async (image) => images.digest(image),
    pull: async () => undefined,
  };
}

/** Asks the container that has the address. */
export function fakeProbe(host: FakeHost): Probe {
  return {
    async status(address, port) {
      const asked = [...host.containers.values()].find(
        (container) =>
          host.seen(container).state === "running" &&
          container.networks.some((each) => each.address === address),
      );
      await host.hooks.get(`probe ${asked?.id ?? address}`)?.();
      const http = asked && (host.lifeOf(asked).http ?? (() => 200));
      const answer = asked && http?.(ageOf(asked, host.clock.now()));
      if (typeof answer === "number") return answer;
      throw new DeployerError("rollout", `connection refused by ${address}:${port}`);
    },
  };
}

/** A disk with this much room, which a test may change. */
export type FakeDisk = Disk & { room: number | undefined; total: number | undefined };

export function fakeDisk(): FakeDisk {
  const disk: FakeDisk = { room: 100e9, total: 200e9, free: () => disk.room, size: () => disk.total };
  return disk;
}

export function fakeRegistry(host: FakeHost): Registry {
  return {
    async resolve(image, signal) {
      const text = nameAndTag(image);
      await host.act(`resolve ${text}`, () => signal.throwIfAborted());
      return host.images.digest(text);
    },
    assertThere: (image) => host.act(`ask for ${nameAndTag(image)}`, () => undefined),
    pull: (image, tagOrDigest, signal) =>
      host.act(`pull ${nameAndTag(image)}`, () => {
        signal.throwIfAborted();
        host.images.pull(image, tagOrDigest);
      }),
  };
}

function asAliases(aliases: string[]): string[] {
  return aliases.length === 0 ? [] : ["as", ...aliases];
}

function nameOf(networkId: string): string {
  return networkId.replace("id of ", "");
}
