/**
 * `npm run bench auth`: verification, signing and SPF beside mailauth in one run, in turns, on one core; and what all checks
 * of inbound mail cost the mail path. Prints a table with ratios and writes an SVG. docs/performance.md says what each line
 * means.
 *
 *   npm run bench auth -- [--short] [--rounds N] [--messages N] [--sessions N] [--json] [--svg FILE]
 *   … --engines leaves the mail path out
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { renderChart } from "../chart.ts";
import { measureMailPath } from "./mail-path.ts";
import { barText, isMet, median, ratioToBare, ratioToMailauth, type Row } from "./rows.ts";

const { values: options } = parseArgs({
  args: process.argv.slice(3),
  options: {
    short: { type: "boolean", default: false },
    rounds: { type: "string" },
    messages: { type: "string" },
    sessions: { type: "string", default: "20" },
    engines: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    svg: { type: "string", default: "bench/results/auth.svg" },
  },
});
const rounds = Number(options.rounds ?? (options.short ? 3 : 7));
const messages = Number(options.messages ?? (options.short ? 4_000 : 8_000));
const turnMs = options.short ? 400 : 1000;
/** The engines' process has this core, or the only one. */
const core = Math.min(1, cpus().length - 1);

const say = (line: string) => process.stderr.write(`${line}\n`);

say(`engines: ${rounds} rounds on core ${core} …`);
const rows: Row[] = [...(await measureEngines())];
if (!options.engines) {
  rows.push(await measureMailPath({ rounds, messages, sessions: Number(options.sessions), say }));
}

const about =
  `median of ${rounds} rounds; engines: processor time of one process on one core; ` +
  `mail path: ${messages} messages, ${options.sessions} sessions; ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"})`;
if (options.json) {
  const table = rows.map((row) => ({
    ...row,
    toMailauth: ratioToMailauth(row),
    toBare: ratioToBare(row),
    met: isMet(row),
  }));
  process.stdout.write(`${JSON.stringify({ about, rows: table }, null, 2)}\n`);
} else {
  printTable();
}
mkdirSync(path.dirname(options.svg), { recursive: true });
writeFileSync(options.svg, chart());
say(`\nchart: ${options.svg}`);

/** In a process of its own, which the kernel keeps on one core with all its threads. */
async function measureEngines(): Promise<readonly Row[]> {
  const script = fileURLToPath(new URL("engines.ts", import.meta.url));
  const command = ["taskset", "-c", String(core), process.execPath, script, String(rounds), String(turnMs)];
  const child = spawn(command[0] ?? "", command.slice(1), {
    env: { ...process.env, UV_THREADPOOL_SIZE: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => (status === 0 ? resolve() : reject(new Error(`the engines ended with ${status}`))));
  });
  const [output] = await Promise.all([text(child.stdout), ended]);
  return JSON.parse(output) as readonly Row[];
}

function printTable(): void {
  const number = (value: number | undefined) =>
    (value === undefined ? "" : value >= 100 ? value.toFixed(0) : value.toFixed(2)).padStart(11);
  const ratio = (value: number | undefined) => (value === undefined ? "" : `${value.toFixed(2)} ×`).padStart(9);
  process.stdout.write(`\n${about}\n\n`);
  process.stdout.write(
    `${"".padEnd(50)}${"Posthaste".padStart(11)}${"mailauth".padStart(11)}${"ratio".padStart(9)}${"bare".padStart(11)}${"ratio".padStart(9)}   bar\n`,
  );
  for (const row of rows) {
    const { name, unit, ours, mailauth, bare } = row;
    const met = isMet(row);
    const verdict = met === undefined ? "" : met ? "met" : "MISSED";
    process.stdout.write(
      `${`${name} (${unit})`.padEnd(50)}${number(median(ours))}` +
        `${number(mailauth && median(mailauth))}${ratio(ratioToMailauth(row))}` +
        `${number(bare && median(bare.values))}${ratio(ratioToBare(row))}   ${barText(row)} ${verdict}\n`,
    );
  }
}

/** Beside mailauth where it can do the same, otherwise beside the bare operation. */
function chart(): string {
  return renderChart(
    `Posthaste and mailauth: ${about}`,
    rows.map((row) => ({
      name: row.name,
      unit: row.unit,
      posthaste: median(row.ours),
      other: median(row.mailauth ?? row.bare?.values ?? []),
      otherName: row.mailauth === undefined ? (row.bare?.name ?? "") : "mailauth",
      ratio: ratioToMailauth(row) ?? ratioToBare(row),
    })),
  );
}
