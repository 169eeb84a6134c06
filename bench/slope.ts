/** A straight line through values that were measured at equal distances (least squares). */
export type Line = {
  /** What it rises by from one value to the next. */
  slope: number;
  /** How far the values are from the line (standard deviation). */
  noise: number;
};

export function lineThrough(values: readonly number[]): Line {
  const middle = (values.length - 1) / 2;
  const mean = sum(values) / values.length;
  const slope =
    sum(values.map((value, index) => (index - middle) * (value - mean))) /
    sum(values.map((_, index) => (index - middle) ** 2));
  const squares = values.map((value, index) => (value - mean - slope * (index - middle)) ** 2);
  return { slope, noise: Math.sqrt(sum(squares) / Math.max(1, values.length - 2)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
