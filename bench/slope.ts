/** A straight line through values that were measured at equal distances (least squares). */
export type Line = {
  /** What it rises by from one value to the next. */
  slope: number;
  /** The standard error of that. */
  error: number;
};

export function lineThrough(values: readonly number[]): Line {
  const middle = (values.length - 1) / 2;
  const mean = sum(values) / values.length;
  const distances = sum(values.map((_, index) => (index - middle) ** 2));
  const slope = sum(values.map((value, index) => (index - middle) * (value - mean))) / distances;
  const squares = values.map((value, index) => (value - mean - slope * (index - middle)) ** 2);
  const variance = sum(squares) / Math.max(1, values.length - 2);
  return { slope, error: Math.sqrt(variance / distances) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
