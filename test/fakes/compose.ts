import { DeployerError } from "../../src/core/errors.ts";
import type { Compose, ImageTexts, OtherCounts, Service, Source } from "../../src/core/compose.ts";
import { type FakeHost, hashOf } from "./host.ts";
import { project as projectOf } from "./service.ts";

export function fakeCompose(host: FakeHost): Compose {
  const { file, recordings } = host;

  function resolved(source: Source): Map<string, Service> {
    if ("images" in source) return withTexts(file, source.images);
    const recorded = recordings.get(source.recorded);
    if (recorded === undefined)
      throw new DeployerError("compose_file", `no recorded configuration ${source.recorded}`);
    return recorded;
  }

  /** As `docker compose up` without `--no-deps`: missing ones are made, and those beyond the file's number removed. */
  function settleDependencies(
    project: Map<string, Service>,
    { dependsOn }: Service,
    others: OtherCounts = new Map(),
  ): void {
    for (const { service } of dependsOn) {
      const dependency = project.get(service);
      if (dependency === undefined) continue;
      settleDependencies(project, dependency, others);
      const wanted = others.get(service) ?? dependency.replicas;
      for (const extra of host.all(service).slice(wanted)) host.containers.delete(extra.id);
      while (host.all(service).length < wanted) host.create(dependency);
    }
  }

  return {
    project: async () => projectOf([...file.values()], { edge: host.edge }),
    files: async () => [],
    async record(texts) {
      const content = withTexts(file, texts);
      const name = `recorded ${Bun.hash(JSON.stringify([...content])).toString(36)}`;
      recordings.set(name, content);
      return name;
    },
    recorded: async (name) => projectOf([...resolved({ recorded: name }).values()], { edge: host.edge }),
    forget: async () => undefined,
    labelHash: async (recorded, name) => hashOf(serviceIn(resolved({ recorded }), name)),
    createBeside: async (source, name, total, others) => {
      const counts = await others();
      await host.act(`create ${name} ${total}`, () => {
        host.assertThere();
        const project = resolved(source);
        const from = serviceIn(project, name);
        settleDependencies(project, from, counts);
        if (from.containerName !== undefined && host.all(name).length > 0)
          throw new DeployerError("rollout", `the name ${from.containerName} is taken`);
        while (host.all(name).length < total) host.create(from);
      });
    },
    recreate: async (source, name, prepare) => {
      const { withDependencies } = await prepare();
      await host.act(`recreate ${name}${withDependencies ? "" : " alone"}`, () => {
        host.assertThere();
        const project = resolved(source);
        const from = serviceIn(project, name);
        if (withDependencies) settleDependencies(project, from);
        const old = host.all(name);
        const volumes = old.flatMap((container) => container.anonymousVolumes);
        for (const container of old) host.containers.delete(container.id);
        const inherited = volumes.length === 0 ? {} : { anonymousVolumes: volumes };
        for (let n = 0; n < from.replicas; n += 1) host.create(from, inherited);
      });
    },
    runOneOff: async (source, name, argv, labels, isNeeded) => {
      if (!(await isNeeded())) return;
      await host.act(`run ${name} ${argv.join(" ")}`, () => {
        host.assertThere();
        const from = serviceIn(resolved(source), name);
        const container = host.create({ ...from, containerName: undefined }, { oneOff: true, labels });
        for (const attachment of container.networks) attachment.aliases = [];
        host.run(container);
      });
    },
    createOwn: ({ project }, name, total) =>
      host.act(`create ${name} ${total} of ${project}`, () => host.assertThere()),
    writePins: (texts) =>
      host.act(
        `pins ${[...texts].map(([name, text]) => `${name}=${text.split("@")[0]}`).join(" ")}`.trim(),
        () => undefined,
      ),
  };
}

export function serviceIn(project: Map<string, Service>, name: string): Service {
  const found = project.get(name);
  if (found === undefined) throw new DeployerError("rollout", `no such service: ${name}`);
  return found;
}

function withTexts(services: Map<string, Service>, texts: ImageTexts): Map<string, Service> {
  return new Map(
    [...services].map(([name, each]) => [name, { ...each, image: texts.get(name) ?? each.image }]),
  );
}
