/** The benchmark's table as an SVG: two bars a row, the ratio beside them. */

export interface ChartRow {
  readonly name: string;
  readonly unit: string;
  readonly posthaste: number;
  readonly other: number;
  readonly otherName: string;
  /** How many times better Posthaste is; undefined where that says nothing. */
  readonly ratio: number | undefined;
}

const width = 900;
const rowHeight = 64;
const labelWidth = 290;
const barWidth = 430;

export function renderChart(title: string, rows: readonly ChartRow[]): string {
  const height = 60 + rows.length * rowHeight;
  const bars = rows.map((row, index) => {
    const top = 50 + index * rowHeight;
    const most = Math.max(row.posthaste, row.other, Number.MIN_VALUE);
    const bar = (value: number, y: number, colour: string, name: string) =>
      `<rect x="${labelWidth}" y="${y}" width="${Math.max(2, (value / most) * barWidth).toFixed(1)}" height="18" rx="2" fill="${colour}"/>` +
      `<text x="${labelWidth + (value / most) * barWidth + 8}" y="${y + 14}" class="value">${format(value)} ${name}</text>`;
    return (
      `<text x="16" y="${top + 18}">${escape(row.name)}</text>` +
      `<text x="16" y="${top + 36}" class="unit">${escape(row.unit)}${row.ratio === undefined ? "" : ` · ${row.ratio.toFixed(1)} ×`}</text>` +
      bar(row.posthaste, top, "#0f766e", "Posthaste") +
      bar(row.other, top + 22, "#9ca3af", row.otherName)
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="14">
<style>text{fill:#111827}.unit,.value{fill:#4b5563;font-size:12px}@media(prefers-color-scheme:dark){text{fill:#f3f4f6}.unit,.value{fill:#d1d5db}}</style>
<text x="16" y="26" font-size="13">${escape(title)}</text>
${bars.join("\n")}
</svg>
`;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}

export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
