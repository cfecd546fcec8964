/** Tables of Markdown as prettier would have them, so that generated ones in written documents pass the format check. */

/** Columns of `numbers` are aligned to the right. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: readonly boolean[],
): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? "").length)));
  const pad = (text: string, column: number): string =>
    numbers[column] === true ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  const rule = widths.map((width, column) =>
    numbers[column] === true ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  const lines = [head, rule, ...rows].map((row) => `| ${row.map(pad).join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}
