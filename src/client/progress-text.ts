import { inWords } from "../core/size.ts";
import type { ProgressAnswer } from "./answers.ts";
import { oneLine } from "./one-line.ts";

/** `web:v2: 45 MiB of 120 MiB, 3 of 9 layers`. */
export function progressText(progress: ProgressAnswer): string {
  const { image, downloaded_bytes, total_bytes, layers, layers_done } = progress;
  return `${oneLine(image)}: ${inWords(downloaded_bytes)} of ${inWords(total_bytes)}, ${layers_done} of ${layers} layers`;
}
