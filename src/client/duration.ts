/** `0.4 s`, `12 s`, `2 min 5 s`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 10_000) return `${(Math.max(milliseconds, 0) / 1_000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
