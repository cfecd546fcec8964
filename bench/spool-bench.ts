/**
 * How fast the SQLite spool is by itself. `node bench/spool-bench.ts [commit|life|thread|queue] [count] [committers]`
 *
 * - `commit`: durable commits of 4 KB messages through the proxy, by concurrent committers; latencies too.
 * - `life`: each message committed with a claim, its content opened, its recipient settled.
 * - `thread`: the writing side alone, in batches of 100, without threads between.
 * - `queue`: a spool with `count` scheduled recipients: claim pages, nextDue, start, memory, and commits beside it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeFiles } from "../src/node/files/node-files.ts";
import { messageRow, eventRows, storedMessage } from "../src/node/spool/rows.ts";
import { SpoolWriter } from "../src/node/spool/writer.ts";
import { openSqliteSpool } from "../src/node/spool/open-sqlite-spool.ts";
import type { SqliteSpool } from "../src/node/spool/sqlite-spool.ts";
import { SystemClock } from "../src/node/process/system-clock.ts";
import { SystemRandom } from "../src/node/process/system-random.ts";
import { QueueIds } from "../src/spool/queue-id.ts";
import type { NewMessage, NewRecipient } from "../src/spool/spool.ts";
import type { HistoryEvent } from "../src/events/history-event.ts";
import { CollectingLog } from "../src/testing/collecting-log.ts";

const [mode = "commit", countText, committersText] = process.argv.slice(2);
const committers = Number(committersText ?? 100);
const clock = new SystemClock();
const ids = new QueueIds(clock, new SystemRandom());
const content = Buffer.alloc(4096, "The quick brown fox jumps over the lazy dog.\r\n");
const claim = { leaseMs: 600_000, retryDelaysMs: [300_000, 600_000] };

function draft(recipients: readonly NewRecipient[]): NewMessage {
  return {
    id: ids.next(),
    receivedAt: clock.now(),
    reversePath: "sender@origin.test",
    origin: { listener: "mx", protocol: "ESMTP", clientAddress: "192.0.2.1", hello: "client.test" },
    body: "8BITMIME",
    smtpUtf8: false,
    facts: {
      receivedCount: 1,
      ownReceived: false,
      autoSubmitted: false,
      deliveredTo: [],
      utf8Header: false,
      eightBit: false,
      binary: false,
      subject: "A subject of usual length for a message",
      messageId: "<20260101000000.12345@origin.test>",
      from: "Sender <sender@origin.test>",
    },
    headerBlock:
      "Received: from client.test (client.test [192.0.2.1])\r\n\tby mail.example.org with ESMTP id 4QJ7ZC2M9KXD\r\n" +
      "\tfor <recipient@target.test>; Thu, 1 Jan 2026 00:00:00 +0000\r\n",
    recipients,
  };
}

function accepted(message: NewMessage): HistoryEvent {
  return {
    kind: "message-accepted",
    at: message.receivedAt,
    message: message.id,
    from: message.reversePath,
    recipients: message.recipients.map(({ address }) => address),
    size: content.length,
    client: "client.test [192.0.2.1]",
    protocol: "ESMTP",
    subject: "A subject of usual length for a message",
  };
}

function relayed(message: NewMessage): HistoryEvent {
  return {
    kind: "recipient-relayed",
    at: clock.now(),
    message: message.id,
    recipient: 0,
    address: "recipient@target.test",
    attempt: {
      number: 1,
      durationMs: 12,
      route: "mx target.test (10 mx1.target.test)",
      outcome: {
        kind: "relayed",
        status: "2.0.0",
        dsnPassedOn: false,
        diagnostic: {
          type: "smtp",
          text: "250 2.0.0 Ok: queued as 123",
          remoteHost: "mx1.target.test",
          remoteAddress: "192.0.2.9",
        },
      },
    },
  };
}

const target: NewRecipient = { address: "recipient@target.test", domain: "target.test" };

function report(title: string, count: number, ms: number, latencies: number[] = []): void {
  latencies.sort((a, b) => a - b);
  const at = (part: number) => latencies[Math.floor(latencies.length * part)]?.toFixed(1);
  const told =
    latencies.length === 0 ? "" : `   latency ms: p50 ${at(0.5)}  p99 ${at(0.99)}  max ${latencies.at(-1)?.toFixed(1)}`;
  console.log(`${title}: ${Math.round(count / (ms / 1000))}/s (${count} in ${ms.toFixed(0)} ms)${told}`);
}

function rss(): string {
  const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage();
  const [all, heap, outside, buffers] = [rss, heapTotal, external, arrayBuffers].map((bytes) =>
    Math.round(bytes / 1e6),
  );
  return `${all} MB RSS (main thread: heap ${heap}, outside it ${outside}, of that buffers ${buffers})`;
}

/** `work` is done `count` times by so many workers at once. */
async function load(title: string, count: number, work: () => Promise<void>): Promise<void> {
  const latencies: number[] = [];
  let left = count;
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: committers }, async () => {
      while (left-- > 0) {
        const before = performance.now();
        await work();
        latencies.push(performance.now() - before);
      }
    }),
  );
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  report(title, count, ms, latencies);
  console.log(`  ${((user + system) / count).toFixed(0)} µs CPU each, both threads; ${rss()}`);
}

async function commitOne(spool: SqliteSpool): Promise<void> {
  const message = draft([target]);
  const writer = spool.begin();
  void writer.append(content);
  await writer.commit(message, { claim, events: [accepted(message)] });
}

async function liveOne(spool: SqliteSpool): Promise<void> {
  const message = draft([target]);
  const writer = spool.begin();
  void writer.append(content);
  const { claimed } = await writer.commit(message, { claim, events: [accepted(message)] });
  if (claimed === undefined) throw new Error("not claimed");
  await using opened = await spool.openContent(message.id);
  if (opened?.size !== content.length) throw new Error("wrong content");
  await spool.settle({
    message: message.id,
    token: claimed.token,
    changes: [{ index: 0, to: "relayed", reply: "250 2.0.0 Ok: queued as 123" }],
    reports: [],
    events: [relayed(message)],
  });
}

function thread(directory: string, count: number): void {
  const path = join(directory, "spool.db");
  const data = { role: "writer", path, now: clock.now(), cacheKiB: 65_536, databaseBytesMax: 0 } as const;
  const writer = new SpoolWriter(data);
  const start = performance.now();
  let slowest = 0;
  for (let done = 0; done < count; done += 100) {
    const operations = Array.from({ length: 100 }, () => {
      const message = draft([target]);
      return {
        kind: "commit",
        now: clock.now(),
        message: messageRow(storedMessage(message, content.length), message.recipients, {
          inFile: false,
          now: clock.now(),
        }),
        events: eventRows([accepted(message)]),
        records: [],
        claim,
      } as const;
    });
    const before = performance.now();
    const whole = Buffer.concat(operations.map(() => content));
    const { failures } = writer.run({ operations, content: whole, offsets: operations.map((_, n) => n * 4096) });
    if (failures.length > 0) throw new Error(failures[0]?.text);
    slowest = Math.max(slowest, performance.now() - before);
  }
  report("writer thread alone", count, performance.now() - start);
  console.log(`  slowest batch of 100 with its checkpoint: ${slowest.toFixed(1)} ms`);
  writer.close();
}

async function queue(directory: string, count: number, open: () => Promise<SqliteSpool>): Promise<void> {
  let spool = await open();
  const start = performance.now();
  const due = clock.now() - 1000;
  for (let done = 0; done < count;) {
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const recipients = Array.from({ length: 20 }, (_, n) => {
          // Half of them wait for one dead site, the rest for 50,000 others.
          const domain = n % 2 === 0 ? "dead.test" : `d${Math.floor(Math.random() * 50_000)}.test`;
          return { address: `user${n}@${domain}`, domain, due: due + Math.floor(Math.random() * 1000) };
        });
        const message = draft(recipients);
        const writer = spool.begin();
        void writer.append(content.subarray(0, 500));
        await writer.commit(message, { events: [accepted(message)] });
      }),
    );
    done += 1000;
  }
  report("recipients filled", count, performance.now() - start);
  console.log(`  database ${(statSync(join(directory, "spool.db")).size / 1e6).toFixed(0)} MB; ${rss()}`);
  await spool.close();
  const opening = performance.now();
  spool = await open();
  console.log(`opened in ${(performance.now() - opening).toFixed(1)} ms; ${JSON.stringify(await spool.stats())}`);
  for (const excludeDomains of [[], ["dead.test"]]) {
    const times: number[] = [];
    let taken = 0;
    for (let page = 0; page < 50; page++) {
      const before = performance.now();
      const claims = await spool.claim({ ...claim, limit: 200, perDomainMax: 20, excludeDomains });
      times.push(performance.now() - before);
      taken += claims.reduce((sum, { recipients }) => sum + recipients.length, 0);
    }
    times.sort((a, b) => a - b);
    console.log(
      `claim of 200, ${excludeDomains.length} excluded: median ${times[25]?.toFixed(1)} ms, slowest ${times.at(-1)?.toFixed(1)} ms, ${taken} taken`,
    );
    const before = performance.now();
    await spool.nextDue(excludeDomains);
    console.log(`nextDue: ${(performance.now() - before).toFixed(1)} ms`);
  }
  for (const [title, filter] of [
    ["newest", {}],
    ["of a domain", { domain: "d77.test" }],
    ["nothing", { from: "nobody@nowhere.test" }],
  ] as const) {
    const before = performance.now();
    const found = await spool.find(filter, { limit: 50 });
    console.log(`find ${title}: ${(performance.now() - before).toFixed(1)} ms, ${found.length} found`);
  }
  await load("commits beside the queue", 30_000, () => commitOne(spool));
  await load("whole lives beside the queue", 20_000, () => liveOne(spool));
  await spool.close();
}

const directory = await mkdtemp(join(tmpdir(), "posthaste-bench-"));
try {
  const open = () => openSqliteSpool({ directory, clock, files: new NodeFiles(), log: new CollectingLog() });
  if (mode === "thread") thread(directory, Number(countText ?? 100_000));
  else if (mode === "queue") await queue(directory, Number(countText ?? 1_000_000), open);
  else {
    const spool = await open();
    const work = mode === "life" ? () => liveOne(spool) : () => commitOne(spool);
    await load("warm-up", 5000, work);
    await load(mode === "life" ? "whole lives" : "commits", Number(countText ?? 100_000), work);
    await spool.close();
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
