/** How much a figure grows: a straight line through its means, with the standard error of its slope. */

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface Slope {
  /** Of the value, in an hour. */
  readonly perHour: number;
  readonly standardError: number;
}

const hourMs = 3_600_000;

/**
 * Each segment (the time from one start of the process to the next) has a level of its own; the slope is common to all.
 * Neighbouring samples depend on each other (garbage is collected in waves), which would make the error look smaller than
 * it is; so the line goes through the means of blocks. Undefined with fewer than two degrees of freedom.
 */
export function commonSlope(segments: readonly (readonly Point[])[], blockMs: number): Slope | undefined {
  let squares = 0;
  let products = 0;
  let count = 0;
  const centred: { readonly x: number; readonly y: number }[] = [];
  const used = segments.map((points) => blockMeans(points, blockMs)).filter((points) => points.length >= 2);
  for (const points of used) {
    const atMs = mean(points.map((point) => point.atMs));
    const value = mean(points.map((point) => point.value));
    for (const point of points) {
      const x = (point.atMs - atMs) / hourMs;
      const y = point.value - value;
      centred.push({ x, y });
      squares += x * x;
      products += x * y;
      count++;
    }
  }
  const freedom = count - used.length - 1;
  if (squares === 0 || freedom < 2) return undefined;
  const perHour = products / squares;
  const rest = centred.reduce((sum, { x, y }) => sum + (y - perHour * x) ** 2, 0);
  return { perHour, standardError: Math.sqrt(rest / freedom / squares) };
}

function blockMeans(points: readonly Point[], blockMs: number): readonly Point[] {
  const blocks = Map.groupBy(points, ({ atMs }) => Math.floor(atMs / blockMs));
  return [...blocks.values()].map((block) => ({
    atMs: mean(block.map(({ atMs }) => atMs)),
    value: mean(block.map(({ value }) => value)),
  }));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `share` of 0.99 is the 99th percentile; 0 of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
