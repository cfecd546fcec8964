/**
 * `npm run soak -- [--minutes 60] [--json] [--results FOLDER]`: the real server in a process of its own, with its spool on
 * this disk, under mixed load at half the rate it can keep, with peers that fail, reloads, and a restart in the middle.
 * Fails when mail is lost or the process ends by itself; figures are printed and drawn, not judged. `--document` writes
 * those of an earlier run into docs/soak.md.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { until } from "../test/interop/support/program.ts";
import { machine } from "./scale/measured-server.ts";
import { residentBytes } from "./scale/resident-memory.ts";
import { documentRun } from "./soak/document.ts";
import { hostileTurns } from "./soak/hostile-turns.ts";
import { Ledger } from "./soak/ledger.ts";
import { Load, sleep } from "./soak/load.ts";
import { PreparedMix } from "./soak/mix.ts";
import { plotsOf } from "./soak/plots.ts";
import { processorSeconds, machineSeconds } from "./soak/processors.ts";
import { type Result, type Sample, slopesOf, tableOf } from "./soak/samples.ts";
import { percentile } from "./soak/slope.ts";
import { startWorld, type World } from "./soak/world.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    json: { type: "boolean", default: false },
    document: { type: "boolean", default: false },
    results: { type: "string", default: path.join(import.meta.dirname, "results", "soak") },
  },
});
if (options.document) {
  documentRun(options.results);
  process.exit();
}
const minutes = Number(options.minutes);
if (!(minutes > 0)) {
  process.stderr.write("--minutes must be a number above 0\n");
  process.exit(64);
}
const lengthMs = minutes * 60_000;
const sampleMs = Math.min(5000, Math.max(1000, lengthMs / 240));
/** For warming up and for the maximum, each. */
const measureMs = Math.min(20_000, Math.max(5000, lengthMs / 20));
const reloadMs = Math.min(30_000, lengthMs / 8);
/** A site that has failed is left alone for up to 15 minutes. */
const drainSecondsMax = 1200;
const workers = 24;

const say = (text: string) => process.stderr.write(`${text}\n`);
const failures: string[] = [];
const samples: Sample[] = [];
const latencies: number[] = [];
let life = 0;
let stopping = false;
let ended = false;
/** Of each process, over its life so far. */
const wholeP99Ms: number[] = [];

const ledger = new Ledger();
const mix = await PreparedMix.make();
await using world = await startWorld(ledger);
watch(world);

say(`warming up for ${(measureMs / 1000).toFixed(0)} s …`);
await fullSpeed();
say("measuring what it can keep …");
const maximum = await fullSpeed();
const rate = maximum / 2;
say(`${maximum.toFixed(0)} messages a second accepted and delivered; ${minutes} minutes at ${rate.toFixed(0)} …`);
const { achieved, interrupted } = await soak();

say("sending hostile mail …");
const hostile = ended ? [] : await hostileTurns(world);

if (ledger.counts.owed > 0)
  failures.push(`${ledger.counts.owed} messages lost, the first: ${ledger.owed(10).join(", ")}`);
report();
process.exitCode = failures.length === 0 ? 0 : 1;
stopping = true;

/** As fast as it goes, without faults: messages accepted for a while, over the time until the last of them has arrived. */
async function fullSpeed(): Promise<number> {
  const stop = new AbortController();
  const load = new Load({
    doors: world.doors,
    mix,
    ledger,
    workers,
    faulty: false,
    rate: Infinity,
    signal: stop.signal,
  });
  await sleep(measureMs);
  stop.abort();
  await load.done;
  if (!(await drained())) throw new Error(`${ledger.counts.owed} messages did not arrive: ${load.lastInterruption}`);
  if (load.interrupted > 0) throw new Error(`the load was interrupted: ${load.lastInterruption}`);
  return load.accepted / load.seconds;
}

async function soak(): Promise<{ readonly achieved: number; readonly interrupted: number }> {
  const stop = new AbortController();
  world.faulty = true;
  const load = new Load({ doors: world.doors, mix, ledger, workers, faulty: true, rate, signal: stop.signal });
  const began = performance.now();
  let reloadAt = reloadMs;
  let last = usage();
  world.takeProbe();
  for (let next = sampleMs; next <= lengthMs; next += sampleMs) {
    await sleep(Math.max(0, began + next - performance.now()));
    if (ended) break;
    if (performance.now() - began >= reloadAt) {
      reloadAt += reloadMs;
      await world.ask("POST", "/reload").catch((error: unknown) => failures.push(`reload: ${String(error)}`));
    }
    const now = usage();
    samples.push(await sample(load, last, now));
    last = now;
    if (life === 0 && next >= lengthMs / 2) {
      await restart();
      last = usage();
    }
  }
  stop.abort();
  await load.done;
  const perSecond = load.accepted / load.seconds;
  world.faulty = false;
  say("the faulty peer is well again; waiting for the rest to arrive …");
  await drained();
  say(`sessions were interrupted ${load.interrupted} times, the last time: ${load.lastInterruption}`);
  return { achieved: perSecond, interrupted: load.interrupted };

  async function sample(current: Load, before: Usage, after: Usage): Promise<Sample> {
    const taken = current.takeLatencies();
    for (const value of taken) latencies.push(value);
    const probe = world.takeProbe();
    for (const line of probe) wholeP99Ms[life] = line.wholeP99Ms;
    const queue = (await world.ask("GET", "/queue/stats").catch(() => undefined)) as
      { readonly scheduled: number; readonly claimed: number } | undefined;
    const seconds = (after.atMs - before.atMs) / 1000;
    const { heapBytes } = probe.at(-1) ?? {};
    return {
      atMs: after.atMs - began,
      life,
      rssBytes: residentBytes(processId()),
      heapBytes,
      loopP99Ms: probe.length > 0 ? Math.max(...probe.map((line) => line.delayP99Ms)) : undefined,
      loopMaxMs: probe.length > 0 ? Math.max(...probe.map((line) => line.delayMaxMs)) : undefined,
      latencyP50Ms: taken.length > 0 ? percentile(taken, 0.5) : undefined,
      latencyP99Ms: taken.length > 0 ? percentile(taken, 0.99) : undefined,
      acceptedPerSecond: taken.length / seconds,
      queued: queue === undefined ? undefined : queue.scheduled + queue.claimed,
      owed: ledger.counts.owed,
      serverCores: (after.server - before.server) / seconds,
      machineCores: (after.machine - before.machine) / seconds,
    };
  }
}

/** SIGTERM, and a new process on the same data; clients are cut off and come back. */
async function restart(): Promise<void> {
  say("restarting the server …");
  stopping = true;
  await world.server.restart();
  await until("the API of the new process", () => world.ask("GET", "/queue/stats").then(Boolean, () => false));
  stopping = false;
  life++;
  watch(world);
}

/** A process that ends without being asked fails the run. */
function watch({ server }: World): void {
  server.program.child.once("exit", (code, killedBy) => {
    if (stopping) return;
    ended = true;
    failures.push(`the server ended: ${String(code ?? killedBy)}\n${server.program.output()}`);
  });
}

interface Usage {
  readonly atMs: number;
  readonly server: number;
  readonly machine: number;
}

function usage(): Usage {
  return { atMs: performance.now(), server: processorSeconds(processId()), machine: machineSeconds() };
}

function processId(): number {
  return world.server.program.child.pid ?? 0;
}

/** Waits until nothing is owed; false when it takes too long. */
async function drained(): Promise<boolean> {
  const end = performance.now() + drainSecondsMax * 1000;
  while (ledger.counts.owed > 0 && performance.now() < end && !ended) await sleep(20);
  return ledger.counts.owed === 0;
}

function report(): void {
  const megabytes = samples.map(({ rssBytes }) => rssBytes / 1e6);
  const most = (values: readonly (number | undefined)[]) => Math.max(0, ...values.map((value) => value ?? 0));
  const average = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const result: Result = {
    machine: machine(),
    minutes,
    maximumPerSecond: maximum,
    ratePerSecond: rate,
    achievedPerSecond: achieved,
    counts: ledger.counts,
    interrupted,
    rssMegabytes: { first: megabytes[0] ?? 0, last: megabytes.at(-1) ?? 0, most: most(megabytes) },
    ...slopesOf(samples),
    latencyP50Ms: percentile(latencies, 0.5),
    latencyP99Ms: percentile(latencies, 0.99),
    loopDelayP99Ms: most(wholeP99Ms),
    queueMost: most(samples.map(({ queued }) => queued)),
    hostileTurns: hostile,
    machineCores: average(samples.map(({ machineCores }) => machineCores)),
    serverCores: average(samples.map(({ serverCores }) => serverCores)),
    failures,
  };
  mkdirSync(options.results, { recursive: true });
  writeFileSync(path.join(options.results, "result.json"), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileSync(path.join(options.results, "samples.json"), `${JSON.stringify(samples)}\n`);
  writeFileSync(path.join(options.results, "soak.svg"), plotsOf(result, samples));
  console.log(options.json ? JSON.stringify(result, undefined, 2) : tableOf(result));
  for (const failure of failures) say(`FAILED: ${failure}`);
}
