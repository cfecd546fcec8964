/** What a run found: each figure with its goal, where there is one, as a table for people or as JSON for programs. */

export interface Figure {
  /** The part of the run: `queue`, `backlog`, `content`, `sessions`, `slow peers`, `dead site`. */
  readonly part: string;
  readonly what: string;
  readonly value: number;
  readonly unit: "s" | "ms" | "MB" | "messages/s" | "recipients/s" | "%" | "kB" | "×";
  /** The bound that the figure must keep. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number };
}

export function meetsGoal({ value, goal }: Figure): boolean | undefined {
  if (goal === undefined) return undefined;
  return "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;
}

export function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { part, what, unit, goal } = figure;
    const bound = goal === undefined ? "" : "atMost" in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
    const met = meetsGoal(figure);
    return [part, what, `${rounded(figure.value)} ${unit}`, bound, met === undefined ? "" : met ? "yes" : "NO"];
  });
  const heads = ["part", "what", "measured", "goal", "met"];
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join(" | ")} |`;
  const rule = `| ${widths.map((width, column) => (column === 2 ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`;
  return [line(heads), rule, ...rows.map(line)].join("\n");
}

function rounded(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? 0, sorted[middle] ?? 0];
  return (low + high) / 2;
}

/** The value that all but one in a hundred do not exceed. */
export function percentile99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.99) - 1)] ?? 0;
}

/** Octets as the megabytes (10^6) in which goals are given. */
export const megabytes = (octets: number): number => octets / 1e6;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
