/** Figures over time as an SVG: one panel under the other, with the restarts marked. */
import { escape } from "../chart.ts";

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
}

const width = 900;
const left = 70;
const right = 130;
const panelHeight = 170;
const plotHeight = 120;
const colours = ["#0f766e", "#9ca3af", "#b45309"];

/** `minutes` are the times of the values. */
export function renderPlots(
  title: string,
  minutes: readonly number[],
  panels: readonly Panel[],
  restarts: readonly number[],
): string {
  const last = minutes.at(-1) ?? 1;
  const x = (minute: number) => left + (minute / last) * (width - left - right);
  const drawn = panels.map((panel, index) => drawPanel(panel, 50 + index * panelHeight, minutes, x, restarts));
  const height = 60 + panels.length * panelHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">
<style>text{fill:#4b5563}.title{fill:#111827;font-size:13px}.axis{stroke:#d1d5db}.restart{stroke:#dc2626;stroke-dasharray:3 3}@media(prefers-color-scheme:dark){text{fill:#d1d5db}.title{fill:#f3f4f6}.axis{stroke:#4b5563}}</style>
<text x="16" y="26" class="title">${escape(title)}</text>
${drawn.join("\n")}
<text x="${x(last)}" y="${height - 12}" text-anchor="end">${last.toFixed(0)} minutes</text>
</svg>
`;
}

function drawPanel(
  { title, unit, series }: Panel,
  top: number,
  minutes: readonly number[],
  x: (minute: number) => number,
  restarts: readonly number[],
): string {
  const most = Math.max(1e-9, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const bottom = top + 20 + plotHeight;
  const y = (value: number) => bottom - (value / most) * plotHeight;
  const end = x(minutes.at(-1) ?? 1);
  const lines = series.map(({ name, values }, index) => {
    const colour = colours[index % colours.length];
    const points = values.flatMap((value, at) =>
      value === undefined ? [] : [`${x(minutes[at] ?? 0).toFixed(1)},${y(value).toFixed(1)}`],
    );
    return (
      `<polyline fill="none" stroke="${colour}" stroke-width="1.2" points="${points.join(" ")}"/>` +
      `<text x="${end + 10}" y="${top + 34 + index * 16}" style="fill:${colour}">${escape(name)}</text>`
    );
  });
  return [
    `<text x="16" y="${top + 10}" class="title">${escape(`${title}, ${unit}`)}</text>`,
    `<line class="axis" x1="${left}" y1="${bottom}" x2="${end}" y2="${bottom}"/>`,
    `<line class="axis" x1="${left}" y1="${top + 20}" x2="${left}" y2="${bottom}"/>`,
    `<text x="${left - 8}" y="${top + 26}" text-anchor="end">${short(most)}</text>`,
    `<text x="${left - 8}" y="${bottom}" text-anchor="end">0</text>`,
    ...restarts.map((at) => `<line class="restart" x1="${x(at)}" y1="${top + 20}" x2="${x(at)}" y2="${bottom}"/>`),
    ...lines,
  ].join("\n");
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
