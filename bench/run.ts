/**
 * `npm run bench`: Posthaste beside Debian's Postfix in one run, alternating, on this machine. Load and target are
 * Postfix's own smtp-source and smtp-sink; both servers fsync before 250. Prints a table with ratios and writes an SVG.
 *
 *   npm run bench -- [--short] [--rounds N] [--messages N] [--sessions N] [--json] [--svg FILE]
 */
import { cpus } from "node:os";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { freePort, runProgram } from "../test/interop/support/program.ts";
import { type ServerUnderTest, startServers, startSink } from "./peers.ts";
import { renderChart } from "./chart.ts";

const { values: options } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    rounds: { type: "string" },
    messages: { type: "string" },
    sessions: { type: "string", default: "20" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
    svg: { type: "string", default: "bench/results/latest.svg" },
  },
});
const rounds = Number(options.rounds ?? (options.short ? 1 : 3));
const messages = Number(options.messages ?? (options.short ? 2_000 : 10_000));
const messageBytes = 4096;
const largeBytes = 50_000_000;

/** One line of the table. `higherIsBetter` false: seconds or octets. */
interface Measurement {
  readonly name: string;
  readonly unit: "messages/s" | "s" | "MB";
  readonly bar?: number;
  readonly posthaste: number[];
  readonly postfix: number[];
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function source(port: number, to: string, args: readonly string[]): Promise<number> {
  const started = performance.now();
  const { status, output } = await runProgram("smtp-source", [
    ...args,
    "-f",
    "ann@sender.test",
    "-t",
    to,
    `127.0.0.1:${port}`,
  ]);
  if (status !== 0) throw new Error(`smtp-source: ${output}`);
  return (performance.now() - started) / 1000;
}

const load = (count: number) => ["-s", options.sessions, "-l", String(messageBytes), "-m", String(count)];

/** Accept only: the 250 is the end of it for the client; the server discards what it has spooled. */
async function acceptKept({ port }: ServerUnderTest): Promise<number> {
  return messages / (await source(port, "box@discard.test", ["-d", ...load(messages)]));
}

async function acceptEach({ port }: ServerUnderTest): Promise<number> {
  const count = Math.ceil(messages / 2);
  return count / (await source(port, "box@discard.test", load(count)));
}

/** Until the sink has taken the last message. */
async function relay({ port }: ServerUnderTest, sinkPort: number): Promise<number> {
  await using sink = await startSink(sinkPort, messages);
  const ended = new Promise<void>((resolve) => sink.child.once("exit", () => resolve()));
  const started = performance.now();
  await source(port, "box@sink.test", ["-d", ...load(messages)]);
  await ended;
  return messages / ((performance.now() - started) / 1000);
}

async function large(server: ServerUnderTest): Promise<{ seconds: number; grownBytes: number }> {
  const before = server.residentBytes();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, server.residentBytes())), 20);
  const seconds = await source(server.port, "box@discard.test", ["-s", "1", "-l", String(largeBytes), "-m", "1"]);
  clearInterval(timer);
  return { seconds, grownBytes: Math.max(most, server.residentBytes()) - before };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle] ?? 0, sorted[middle] ?? 0];
  return (low + high) / 2;
}

function ratioOf({ unit, posthaste, postfix }: Measurement): number {
  const [ours, theirs] = [median(posthaste), median(postfix)];
  return unit === "messages/s" ? ours / theirs : theirs / ours;
}

const sinkPort = await freePort();
const { posthaste, postfix } = await startServers(sinkPort);
await using stack = new AsyncDisposableStack();
stack.use(posthaste);
stack.use(postfix);

const kept: Measurement = { name: "accept, kept sessions", unit: "messages/s", bar: 6, posthaste: [], postfix: [] };
const each: Measurement = {
  name: "accept, one connection each",
  unit: "messages/s",
  bar: 2,
  posthaste: [],
  postfix: [],
};
const relayed: Measurement = { name: "accept and relay", unit: "messages/s", bar: 4, posthaste: [], postfix: [] };
const largeTime: Measurement = { name: "accept a 50 MB message", unit: "s", posthaste: [], postfix: [] };
const largeMemory: Measurement = { name: "memory grown by the 50 MB message", unit: "MB", posthaste: [], postfix: [] };
const memory: Measurement = { name: "resident memory after the run", unit: "MB", posthaste: [], postfix: [] };
const wanted = (measurement: Measurement) => options.only === undefined || measurement.name.includes(options.only);

for (const [key, server] of [
  ["posthaste", posthaste],
  ["postfix", postfix],
] as const) {
  // Once without a clock, so that no run pays for compiling or for the first files.
  await source(server.port, "box@discard.test", ["-d", ...load(Math.min(messages, 2_000))]);
  if (wanted(largeTime) || wanted(largeMemory)) {
    say(`${server.name}: a 50 MB message …`);
    const { seconds, grownBytes } = await large(server);
    largeTime[key].push(seconds);
    largeMemory[key].push(grownBytes / 1e6);
  }
}
for (let round = 1; round <= rounds; round++) {
  // Who goes first alternates, so that a machine that slows down favours nobody.
  const order = [["posthaste", posthaste] as const, ["postfix", postfix] as const];
  for (const [key, server] of round % 2 === 1 ? order : order.toReversed()) {
    say(`round ${round} of ${rounds}: ${server.name} …`);
    if (wanted(kept)) kept[key].push(await acceptKept(server));
    if (wanted(each)) each[key].push(await acceptEach(server));
    if (wanted(relayed)) relayed[key].push(await relay(server, sinkPort));
  }
}
memory.posthaste.push(posthaste.residentBytes() / 1e6);
memory.postfix.push(postfix.residentBytes() / 1e6);

const table = [kept, each, relayed, largeTime, largeMemory, memory].filter(({ posthaste: own }) => own.length > 0);
const about = `${messages} messages of ${messageBytes} octets, ${options.sessions} sessions, ${rounds} round(s), fsync before 250, ${cpus().length} cores`;
if (options.json) {
  const rows = table.map((row) => ({ ...row, ratio: ratioOf(row) }));
  process.stdout.write(`${JSON.stringify({ about, rows }, null, 2)}\n`);
} else {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2)).padStart(10);
  process.stdout.write(`\n${about}\n\n`);
  process.stdout.write(`${"".padEnd(36)}${"Posthaste".padStart(10)}${"Postfix".padStart(10)}   ratio   bar\n`);
  for (const row of table) {
    const ratio = `${ratioOf(row).toFixed(2)} ×`.padStart(8);
    const bar = row.bar === undefined ? "" : `${row.bar} ×`;
    process.stdout.write(
      `${`${row.name} (${row.unit})`.padEnd(36)}${number(median(row.posthaste))}${number(median(row.postfix))}${ratio}   ${bar}\n`,
    );
  }
}
mkdirSync(path.dirname(options.svg), { recursive: true });
writeFileSync(
  options.svg,
  renderChart(
    `Posthaste and Postfix: ${about}`,
    table.map((row) => ({
      name: row.name,
      unit: row.unit,
      posthaste: median(row.posthaste),
      postfix: median(row.postfix),
      ratio: ratioOf(row),
    })),
  ),
);
say(`\nchart: ${options.svg}`);
