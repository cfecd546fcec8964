/**
 * Makes an SVG of a terminal's text with its colours, from what `tmux capture-pane -e -p` prints, on standard input:
 *
 *   tmux capture-pane -e -p -t demo | node scripts/terminal-svg.ts "npm start" > docs/images/first-minute.svg
 */
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

const title = process.argv[2] ?? "";
const lines = readFileSync(0, "utf8").trimEnd().split("\n");
const colours: Readonly<Record<number, string>> = {
  31: "#f87171",
  32: "#4ade80",
  33: "#facc15",
  34: "#60a5fa",
  35: "#c084fc",
  36: "#22d3ee",
};
const characterWidth = 7.8;
const lineHeight = 19;
const columns = Math.max(60, ...lines.map((line) => stripVTControlCharacters(line).length));
const width = Math.ceil(columns * characterWidth) + 40;
const height = lines.length * lineHeight + 66;

interface Pen {
  bold: boolean;
  dim: boolean;
  colour: string | undefined;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** One line as spans; the pen lives on from line to line as it does in a terminal. */
function spans(line: string, pen: Pen): string {
  return line
    .split(/(\u001b\[[0-9;]*m)/)
    .map((part) => {
      const codes = /^\u001b\[([0-9;]*)m$/.exec(part)?.[1];
      if (codes === undefined) return part === "" ? "" : span(part, pen);
      for (const code of codes.split(";").map(Number)) {
        if (code === 0) Object.assign(pen, { bold: false, dim: false, colour: undefined });
        else if (code === 1) pen.bold = true;
        else if (code === 2) pen.dim = true;
        else if (code === 22) Object.assign(pen, { bold: false, dim: false });
        else if (code === 39) pen.colour = undefined;
        else if (colours[code] !== undefined) pen.colour = colours[code];
      }
      return "";
    })
    .join("");
}

function span(text: string, { bold, dim, colour }: Pen): string {
  const attributes = [
    colour === undefined ? "" : ` fill="${colour}"`,
    bold ? ' font-weight="bold"' : "",
    dim ? ' opacity="0.6"' : "",
  ].join("");
  return attributes === "" ? escape(text) : `<tspan${attributes}>${escape(text)}</tspan>`;
}

const pen: Pen = { bold: false, dim: false, colour: undefined };
const rows = lines.map(
  (line, index) => `<text x="20" y="${60 + index * lineHeight}" xml:space="preserve">${spans(line, pen)}</text>`,
);
process.stdout
  .write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="13" fill="#e5e7eb">
<rect width="100%" height="100%" rx="10" fill="#111827"/>
<circle cx="22" cy="20" r="6" fill="#f87171"/><circle cx="42" cy="20" r="6" fill="#facc15"/><circle cx="62" cy="20" r="6" fill="#4ade80"/>
<text x="84" y="25" opacity="0.7">${escape(title)}</text>
${rows.join("\n")}
</svg>
`);
