/** A million scheduled recipients beside an empty queue: start, memory, accept rate, and what operators ask. */
import { openSpool, fillSpool } from "./filled-spool.ts";
import { type Figure, median, megabytes, pause } from "./figures.ts";
import { type MeasuredServer, startMeasured } from "./measured-server.ts";
import { startNextHop } from "./next-hop.ts";
import { residentBytes } from "./resident-memory.ts";
import { acceptRate } from "./smtp-client.ts";

const part = "queue";
/** Mail that was due while the server was away. */
const dueMessages = 1000;
/** Longer than the furthest due time. */
const aheadMs = 6 * 86_400_000;

export interface QueueScaleOptions {
  readonly recipients: number;
  /** Of accept load for each of the two servers, in rounds that alternate. */
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly say: (text: string) => void;
}

export async function measureQueue(options: QueueScaleOptions): Promise<readonly Figure[]> {
  const { recipients, rounds, secondsPerRound, say } = options;
  await using nextHop = await startNextHop();
  await using empty = await startMeasured(nextHop.port);
  await using full = await startMeasured(nextHop.port);
  const figures: Figure[] = [];
  const note = (what: string, value: number, unit: Figure["unit"], goal?: Figure["goal"]) =>
    figures.push({ part, what, value, unit, ...(goal !== undefined && { goal }) });

  await full.posthaste.program.stop();
  await empty.posthaste.program.stop();
  say(`filling a spool with ${recipients} recipients …`);
  const filling = performance.now();
  await fillSpool(full.posthaste.dataFolder, { scheduled: recipients, due: dueMessages });
  say(`  filled in ${((performance.now() - filling) / 1000).toFixed(0)} s`);

  for (const [name, server] of [
    ["empty", empty],
    ["full", full],
  ] as const) {
    const started = performance.now();
    await server.posthaste.restart();
    note(`start to listening, ${name}`, (performance.now() - started) / 1000, "s");
    if (name === "full") {
      await nextHop.taken(1);
      const first = ((nextHop.firstMailAt ?? 0) - started) / 1000;
      note("start to first attempt of due mail, full", first, "s", { atMost: 5 });
      await nextHop.taken(dueMessages);
      note(`start to last of ${dueMessages} due messages delivered, full`, (performance.now() - started) / 1000, "s");
    }
    await pause(500);
    note(`RSS after start, ${name}`, megabytes(residentBytes(server.processId)), "MB");
  }

  const rates = await acceptRates(empty, full, options);
  note("accept rate, empty", rates.empty, "messages/s");
  note("accept rate, full", rates.full, "messages/s");
  note("accept rate, full of empty", (100 * rates.full) / rates.empty, "%", { atLeast: 80 });
  const work = `${rounds * secondsPerRound} s of accepting`;
  note(`RSS after ${work}, empty`, megabytes(residentBytes(empty.processId)), "MB");
  note(`RSS after ${work}, full`, megabytes(residentBytes(full.processId)), "MB", { atMost: 400 });

  for (const [name, server] of [
    ["empty", empty],
    ["full", full],
  ] as const) {
    note(`queue stats, ${name}`, await medianGet(server, "/queue/stats"), "ms");
    note(`queue list, first page of 100, ${name}`, await medianGet(server, "/queue?limit=100"), "ms");
    note(`queue list of one domain, ${name}`, await medianGet(server, "/queue?limit=100&domain=d77.test"), "ms");
    note(
      `queue list that finds nothing, ${name}`,
      await medianGet(server, "/queue?limit=100&to=nobody@nowhere.test"),
      "ms",
    );
  }
  await full.posthaste.program.stop();
  await empty.posthaste.program.stop();
  say("claiming pages …");
  await fillSpool(empty.posthaste.dataFolder, { scheduled: 5000 });
  note("claim page of 500, 5,000 scheduled", await medianClaim(empty.posthaste.dataFolder, 8), "ms");
  note("claim page of 500, full", await medianClaim(full.posthaste.dataFolder, 40), "ms");
  return figures;
}

/** Rounds that alternate, so that what else the machine does hits both. */
async function acceptRates(
  empty: MeasuredServer,
  full: MeasuredServer,
  { rounds, secondsPerRound, say }: QueueScaleOptions,
): Promise<{ readonly empty: number; readonly full: number }> {
  const load = { sessions: 20, seconds: secondsPerRound, octets: 4096 };
  const rates = { empty: [] as number[], full: [] as number[] };
  for (const server of [empty, full]) await acceptRate(server.port, "box@discard.test", { ...load, seconds: 2 });
  for (let round = 1; round <= rounds; round++) {
    for (const [name, server] of round % 2 === 0
      ? ([
          ["empty", empty],
          ["full", full],
        ] as const)
      : ([
          ["full", full],
          ["empty", empty],
        ] as const)) {
      const rate = await acceptRate(server.port, "box@discard.test", load);
      rates[name].push(rate);
      say(`  accept, ${name}, round ${round}: ${rate.toFixed(0)}/s`);
    }
  }
  return { empty: median(rates.empty), full: median(rates.full) };
}

async function medianGet(server: MeasuredServer, path: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 15; n++) times.push((await server.get(path)).ms);
  return median(times);
}

/** As the queue claims: 500 recipients, 100 of a domain at most, of everything there is. */
async function medianClaim(directory: string, pages: number): Promise<number> {
  await using spool = await openSpool(directory, aheadMs);
  const times: number[] = [];
  for (let page = 0; page < pages; page++) {
    const started = performance.now();
    const claims = await spool.claim({
      limit: 500,
      perDomainMax: 100,
      excludeDomains: [],
      leaseMs: 600_000,
      retryDelaysMs: [300_000],
    });
    if (claims.length > 0) times.push(performance.now() - started);
  }
  return median(times);
}
