import type { TarEntry } from "./tar.ts";

const BUSYBOX = "/bin/busybox";

/** `/bin` of an image: this machine's static BusyBox, and a link for each of its commands. */
export async function busyboxFiles(): Promise<TarEntry[]> {
  const path = Bun.which("busybox") ?? BUSYBOX;
  const list = Bun.spawnSync([path, "--list"]).stdout.toString().trim().split("\n");
  return [
    { path: "bin/", mode: 0o755, folder: true },
    { path: "bin/busybox", mode: 0o755, content: await Bun.file(path).bytes() },
    ...list.filter((name) => name !== "busybox").map((name) => ({ path: `bin/${name}`, link: "busybox" })),
  ];
}
