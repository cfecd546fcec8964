/**
 * `npm run bench`: Posthaste beside Debian's Postfix in one run, alternating, on this machine. Load and target are
 * Postfix's own smtp-source and smtp-sink; both servers fsync before 250. Prints a table with ratios and writes an SVG.
 * docs/performance.md says what each line means and what was found.
 *
 *   npm run bench -- [--short] [--rounds N] [--messages N] [--sessions N] [--only TEXT] [--json] [--svg FILE]
 */
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { freePort } from "../test/interop/support/free-port.ts";
import { runProgram } from "../test/interop/support/program.ts";
import { quiet, type ServerUnderTest, startServers, startSink } from "./peers.ts";
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
const rounds = Number(options.rounds ?? (options.short ? 3 : 7));
const messages = Number(options.messages ?? (options.short ? 3_000 : 6_000));
const messageBytes = 4096;
const largeBytes = 50_000_000;

/** One line of the table. */
interface Measurement {
  readonly name: string;
  readonly unit: "messages/s" | "s" | "MB";
  /** What issue 2 asks for. */
  readonly bar?: string;
  readonly posthaste: number[];
  readonly postfix: number[];
}

function measurement(name: string, unit: Measurement["unit"], bar?: string): Measurement {
  return { name, unit, ...(bar !== undefined && { bar }), posthaste: [], postfix: [] };
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function source(port: number, to: string, args: readonly string[]): Promise<number> {
  const started = performance.now();
  const address = [...args, "-f", "ann@sender.test", "-t", to, `127.0.0.1:${port}`];
  const { status, output } = await runProgram("smtp-source", address);
  if (status !== 0) throw new Error(`smtp-source: ${output}`);
  return (performance.now() - started) / 1000;
}

const load = (count: number, sessions = options.sessions) =>
  ["-s", sessions, "-l", String(messageBytes), "-m", String(count)] as const;

/** Accept only: the 250 is the end of it for the client; the server discards what it has spooled. */
async function acceptKept({ port }: ServerUnderTest, sessions?: string): Promise<number> {
  return messages / (await source(port, "box@discard.test", ["-d", ...load(messages, sessions)]));
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

/** How many times better Posthaste is. */
function ratioOf({ unit, posthaste, postfix }: Measurement): number {
  const [ours, theirs] = [median(posthaste), median(postfix)];
  return unit === "messages/s" ? ours / theirs : theirs / ours;
}

/** What the disk asks for one durable write, in milliseconds: the floor under every 250. */
function fsyncMs(): number {
  const folder = mkdtempSync(path.join(tmpdir(), "posthaste-bench-"));
  const file = openSync(path.join(folder, "probe"), "w");
  const block = Buffer.alloc(messageBytes, "x");
  const times = Array.from({ length: 200 }, () => {
    const before = performance.now();
    writeSync(file, block);
    fsyncSync(file);
    return performance.now() - before;
  });
  closeSync(file);
  rmSync(folder, { recursive: true });
  return median(times);
}

const sinkPort = await freePort();
const fsync = fsyncMs();
const { posthaste, postfix } = await startServers(sinkPort);
await using stack = new AsyncDisposableStack();
stack.use(posthaste);
stack.use(postfix);
const servers = [["posthaste", posthaste] as const, ["postfix", postfix] as const];

const kept = measurement("accept, kept sessions", "messages/s", "6 ×");
const many = measurement("accept, 100 kept sessions", "messages/s");
const each = measurement("accept, one connection each", "messages/s", "2 ×");
const relayed = measurement("accept and relay", "messages/s", "4 ×");
const largeTime = measurement("accept a 50 MB message", "s");
const largeMemory = measurement("memory grown by the 50 MB message", "MB", "≤ 32 MB");
const memory = measurement("resident memory after the run", "MB");
const wanted = (row: Measurement) => options.only === undefined || row.name.includes(options.only);

for (const [, server] of servers) {
  // Once without a clock, so that no run pays for compiling, for the first files or for processes not yet forked.
  say(`${server.name}: warming up …`);
  await source(server.port, "box@discard.test", ["-d", ...load(10_000)]);
  await source(server.port, "box@discard.test", load(2_000));
}
let disturbed = 0;
for (let round = 1; round <= rounds; round++) {
  // Who goes first alternates, so that a machine that slows down favours nobody; the one not measured is idle.
  for (const row of [kept, many, each, relayed, largeTime]) {
    if (!wanted(row) || (row === many && options.short)) continue;
    for (const [key, server] of round % 2 === 1 ? servers : servers.toReversed()) {
      if (!(await quiet())) disturbed++;
      say(`round ${round} of ${rounds}: ${row.name}: ${server.name} …`);
      if (row === kept) row[key].push(await acceptKept(server));
      else if (row === many) row[key].push(await acceptKept(server, "100"));
      else if (row === each) row[key].push(await acceptEach(server));
      else if (row === relayed) row[key].push(await relay(server, sinkPort));
      else {
        const { seconds, grownBytes } = await large(server);
        row[key].push(seconds);
        largeMemory[key].push(grownBytes / 1e6);
      }
    }
  }
}
memory.posthaste.push(posthaste.residentBytes() / 1e6);
memory.postfix.push(postfix.residentBytes() / 1e6);

const rows = [kept, many, each, relayed, largeTime, largeMemory, memory].filter(({ posthaste: own }) => own.length > 0);
const about =
  `median of ${rounds} × ${messages} messages of ${messageBytes} octets, ${options.sessions} sessions, fsync before 250 ` +
  `(${fsync.toFixed(2)} ms here), ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"})`;
if (disturbed > 0) say(`\nthe machine was busy with other things before ${disturbed} of the measurements`);
if (options.json) {
  const table = rows.map((row) => ({ ...row, ratio: ratioOf(row) }));
  process.stdout.write(`${JSON.stringify({ about, rows: table }, null, 2)}\n`);
} else {
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2)).padStart(11);
  process.stdout.write(`\n${about}\n\n`);
  process.stdout.write(`${"".padEnd(42)}${"Posthaste".padStart(11)}${"Postfix".padStart(11)}    ratio   bar\n`);
  for (const row of rows) {
    const ratio = (row.unit === "MB" ? "" : `${ratioOf(row).toFixed(2)} ×`).padStart(9);
    const name = `${row.name} (${row.unit})`.padEnd(42);
    process.stdout.write(
      `${name}${number(median(row.posthaste))}${number(median(row.postfix))}${ratio}   ${row.bar ?? ""}\n`.replace(
        / +\n$/,
        "\n",
      ),
    );
  }
}
mkdirSync(path.dirname(options.svg), { recursive: true });
writeFileSync(
  options.svg,
  renderChart(
    `Posthaste and Postfix: ${about}`,
    rows.map((row) => ({
      name: row.name,
      unit: row.unit,
      posthaste: median(row.posthaste),
      other: median(row.postfix),
      otherName: "Postfix",
      ratio: row.unit === "MB" ? undefined : ratioOf(row),
    })),
  ),
);
say(`\nchart: ${options.svg}`);
