import { z } from "zod";
import type { PullProgress } from "../core/engine.ts";

/** One line of the stream that `POST /images/create` answers with. */
export const pullLine = z.object({
  id: z.string().optional(),
  status: z.string().default(""),
  progressDetail: z
    .object({ current: z.number().optional(), total: z.number().optional(), units: z.string().optional() })
    .nullish(),
  error: z.string().optional(),
  errorDetail: z.object({ message: z.string().default("") }).optional(),
});

export type PullLine = z.infer<typeof pullLine>;

/** In compressed bytes. */
type Layer = { current: number; unpacked: number; total: number; isDone: boolean };

/** Adds up the lines of one pull. */
export type ProgressSum = {
  /** Whether the line told anything new: a stalled pull may repeat itself for ever. */
  add(line: PullLine): boolean;
  sum(): PullProgress;
  /** The image is here, whatever the last line of each layer was. */
  end(): void;
};

const NEW: Layer = { current: 0, unpacked: 0, total: 0, isDone: false };

export function createProgressSum(): ProgressSum {
  const layers = new Map<string, Layer>();
  const lastLines = new Map<string, string>();

  function add(line: PullLine): boolean {
    const id = line.id ?? "";
    const said = JSON.stringify([line.status, line.progressDetail]);
    if (lastLines.get(id) === said) return false;
    lastLines.set(id, said);
    const isLayer = id !== "" && !line.status.startsWith("Pulling from");
    if (isLayer) layers.set(id, advance(layers.get(id) ?? NEW, line));
    return true;
  }

  function sum(): PullProgress {
    const all = [...layers.values()];
    return {
      downloadedBytes: all.reduce((bytes, layer) => bytes + layer.current, 0),
      unpackedBytes: all.reduce((bytes, layer) => bytes + layer.unpacked, 0),
      totalBytes: all.reduce((bytes, layer) => bytes + layer.total, 0),
      layers: all.length,
      layersDone: all.filter((layer) => layer.isDone).length,
    };
  }

  function end(): void {
    for (const [id, layer] of layers) layers.set(id, done(layer));
  }

  return { add, sum, end };
}

function advance(layer: Layer, { status, progressDetail }: PullLine): Layer {
  switch (status) {
    case "Downloading": {
      const current = Math.max(0, progressDetail?.current ?? layer.current);
      // A registry that does not tell the size gives no total, or -1.
      return { ...layer, current, total: Math.max(current, progressDetail?.total ?? layer.total) };
    }
    case "Download complete":
      return { ...layer, current: layer.total };
    case "Extracting": {
      // The containerd image store counts seconds: then nothing is known, and a layer at work counts as unpacked.
      const unpacked = progressDetail?.units === undefined ? (progressDetail?.current ?? 0) : layer.total;
      return { ...layer, current: layer.total, unpacked: Math.min(unpacked, layer.total) };
    }
    case "Pull complete":
    case "Already exists":
      return done(layer);
    default:
      return layer;
  }
}

function done(layer: Layer): Layer {
  return { ...layer, current: layer.total, unpacked: layer.total, isDone: true };
}
