/** Colours where a terminal wants them, and text that cannot command a terminal. */
import type { TextOutput } from "./context.ts";

type Paint = (text: string) => string;

export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

const plain: Paint = (text) => text;
const noStyle: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };

function paint(on: number, off: number): Paint {
  return (text) => (text === "" ? "" : `\x1b[${on}m${text}\x1b[${off}m`);
}

const colourStyle: Style = {
  bold: paint(1, 22),
  dim: paint(2, 22),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  cyan: paint(36, 39),
};

/** https://no-color.org: each value but the empty one turns colours off. */
export function styleFor(output: TextOutput, environment: Readonly<Record<string, string | undefined>>): Style {
  return output.isTerminal && !environment["NO_COLOR"] && environment["TERM"] !== "dumb" ? colourStyle : noStyle;
}

/** How wide a table may be: whoever reads it elsewhere than on a terminal gets it whole. */
export function tableColumns(out: Pick<TextOutput, "isTerminal" | "columns">): number {
  return out.isTerminal ? out.columns : Number.POSITIVE_INFINITY;
}

/** Rows in columns, the last one cut to the width. `right`: numbers of columns that are set right. */
export function textTable(
  rows: readonly (readonly string[])[],
  options: { readonly columns: number; readonly right?: readonly number[]; readonly style: Style },
): string {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows
    .map((row, number) => {
      const cells = row.map((cell, index) => {
        const width = widths[index] ?? 0;
        if (options.right?.includes(index)) return cell.padStart(width);
        return index === row.length - 1 ? cell : cell.padEnd(width);
      });
      const line = cells.join("  ");
      const cut = line.length > options.columns ? `${line.slice(0, Math.max(1, options.columns - 1))}…` : line;
      return `${number === 0 ? options.style.bold(cut) : cut}\n`;
    })
    .join("");
}
