/** Puts the figures and the plots of a run into docs/soak.md and docs/images/soak.svg. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { markdownTable } from "../../scripts/markdown-table.ts";
import { plotsOf } from "./plots.ts";
import { type Result, rowsOf, type Sample, slopesOf } from "./samples.ts";

const documentPath = "docs/soak.md";
const [begin, end] = ["<!-- soak: begin -->", "<!-- soak: end -->"];

/** `folder` is what `--results` was. */
export function documentRun(folder: string): void {
  const samples = JSON.parse(readFileSync(path.join(folder, "samples.json"), "utf8")) as readonly Sample[];
  const measured = JSON.parse(readFileSync(path.join(folder, "result.json"), "utf8")) as Result;
  // Worked out as the document says, whatever was printed at the time.
  const result = { ...measured, ...slopesOf(samples) };
  const text = readFileSync(documentPath, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${documentPath} lacks the lines ${begin} and ${end}`);
  const table = markdownTable([result.machine, ""], rowsOf(result), [false, false]);
  const plots = "![Memory, time to 250, event-loop delay, queue and processors over the run](images/soak.svg)\n";
  writeFileSync(documentPath, `${text.slice(0, from)}${begin}\n\n${table}\n${plots}\n${text.slice(to)}`);
  writeFileSync("docs/images/soak.svg", plotsOf(result, samples));
}
