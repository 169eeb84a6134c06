import { readdirSync, readFileSync } from "node:fs";

export type Process = { pid: number; parent: number; args: string[] };

/** All processes below `root` now, however they detached themselves from it: by parents, not by groups or sessions. */
export function descendants(root: number): Process[] {
  const all = processes();
  const found: Process[] = [];
  let parents = new Set([root]);
  while (parents.size > 0) {
    const children = all.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map(({ pid }) => pid));
  }
  return found;
}

/** As a service manager does it that signals a whole control group; what ends in between is no error. */
export function signalTree(root: number, signal: NodeJS.Signals): void {
  for (const pid of [...descendants(root).map((child) => child.pid), root]) {
    try {
      process.kill(pid, signal);
    } catch {
      // it ended by itself in this instant
    }
  }
}

/** All processes of the machine; their arguments are what every user of it may read. */
export function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        const args = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").slice(0, -1);
        return [{ pid: Number(name), parent, args }];
      } catch {
        return [];
      }
    });
}
