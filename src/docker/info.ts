import { z } from "zod";

import type { Engine } from "../core/engine.ts";
import { parseAnswer } from "./answer.ts";
import type { Transport } from "./transport.ts";

/** It counts images and containers, and waits for the storage driver. */
const INFO_DEADLINE_MS = 10_000;
/** Where containerd keeps images unless its own configuration says otherwise; Docker does not know. */
const CONTAINERD_ROOT = "/var/lib/containerd";
const CONTAINERD_IMAGE_STORE = "io.containerd.snapshotter.v1";

/** The kernel's words (`uname -m`) in those of Go, which images use. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv6l: "arm",
  armv7l: "arm",
  armv8l: "arm",
  i386: "386",
  i686: "386",
};

const info = z.object({
  OSType: z.string(),
  Architecture: z.string(),
  DockerRootDir: z.string(),
  DriverStatus: z.array(z.array(z.string())).nullish(),
});

/** `GET /info`. */
export async function readInfo(transport: Transport): ReturnType<Engine["info"]> {
  const answer = await transport.send({ method: "GET", path: "/info", deadlineMs: INFO_DEADLINE_MS });
  const { OSType, Architecture, DockerRootDir, DriverStatus } = parseAnswer(
    answer,
    info,
    "tell its platform",
  );
  const usesContainerd = DriverStatus?.some((status) => status.includes(CONTAINERD_IMAGE_STORE)) === true;
  return {
    os: OSType,
    architecture: ARCHITECTURES[Architecture] ?? Architecture,
    rootDir: usesContainerd ? CONTAINERD_ROOT : DockerRootDir,
  };
}
