import type { Cli } from "./cli.ts";
import { parseStat, showServers } from "./stat.ts";

/** Those a service's containers still have: in the proxy, in its workers of before a reload, and in proxies it replaced. */
export async function sessionsOn(
  service: string,
  containers: readonly string[],
  { cli, earlier }: { cli: Cli; earlier: readonly Cli[] },
): Promise<number> {
  const show = showServers(service);
  const answers = await Promise.all([
    cli.askEvery(show),
    // A proxy that is gone has none.
    ...earlier.map((old) => old.askEvery(show).catch(() => [])),
  ]);
  return answers
    .flat()
    .flatMap(parseStat)
    .filter(({ container }) => containers.includes(container))
    .reduce((sum, { sessions }) => sum + sessions, 0);
}
