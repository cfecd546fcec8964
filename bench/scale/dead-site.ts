/**
 * Live mail while 100,000 recipients wait for a site that is dead: how long each message takes from the moment at which
 * its client begins until the next hop has all of it. Rounds with an empty queue alternate with rounds in which the dead
 * site refuses connections (each recipient is deferred at once, which is the most work) and in which it accepts them and
 * never greets (each delivery takes a slot for minutes).
 */
import { closeSync, cpSync, fsyncSync, openSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { fillSpool } from "./filled-spool.ts";
import { type Figure, median, pause, percentile99 } from "./figures.ts";
import { type MeasuredServer, startMeasured } from "./measured-server.ts";
import { startNextHop } from "./next-hop.ts";
import { contentOf, SmtpClient } from "./smtp-client.ts";

const part = "dead site";
const messagesPerSecond = 100;
const sessions = 20;
/** For the compiler and the kept connections of a fresh server; the dead site's mail is at work meanwhile. */
const warmUpSeconds = 3;

export interface DeadSiteOptions {
  readonly recipients: number;
  readonly rounds: number;
  readonly secondsPerRound: number;
  readonly say: (text: string) => void;
}

type Kind = "quiet" | "refuses" | "never greets";

export async function measureDeadSite(options: DeadSiteOptions): Promise<readonly Figure[]> {
  const { recipients, rounds, secondsPerRound: seconds, say } = options;
  const arrivals = new Map<string, (at: number) => void>();
  await using nextHop = await startNextHop({
    onTaken: (localPart) => arrivals.get(localPart)?.(performance.now()),
  });
  await using silent = await startSilentHost();
  await using refusing = await startMeasured(nextHop.port);
  await using hanging = await startMeasured(nextHop.port, silent.port);
  await using quiet = await startMeasured(nextHop.port);
  const servers = { quiet, refuses: refusing, "never greets": hanging } satisfies Record<Kind, MeasuredServer>;
  for (const server of Object.values(servers)) await server.posthaste.program.stop();

  say(`filling a spool with ${recipients} recipients of a dead site …`);
  const filled = `${refusing.posthaste.folder.path}/filled`;
  cpSync(refusing.posthaste.dataFolder, filled, { recursive: true });
  await fillSpool(filled, { due: recipients, dueAt: "dead.test" });

  const measured: Record<Kind, number[]> = { quiet: [], refuses: [], "never greets": [] };
  const deferred: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const order: readonly Kind[] = ["quiet", "refuses", "quiet", "never greets"];
    for (const kind of round % 2 === 0 ? order : order.toReversed()) {
      const server = servers[kind];
      const { dataFolder } = server.posthaste;
      if (kind !== "quiet") {
        rmSync(dataFolder, { recursive: true });
        copySpool(filled, dataFolder);
      }
      await server.posthaste.restart();
      const load = { port: server.port, arrivals };
      await latencies({ ...load, seconds: warmUpSeconds });
      const before = deferredIn(dataFolder);
      const p99 = percentile99(await latencies({ ...load, seconds }));
      if (kind === "refuses") deferred.push((deferredIn(dataFolder) - before) / seconds);
      measured[kind].push(p99);
      say(`  ${kind}: p99 ${p99.toFixed(1)} ms`);
      await server.posthaste.program.stop();
    }
  }
  return [
    ...figuresOf(measured, recipients),
    // While there is any, the case measures what it says.
    { part, what: "deferred meanwhile, where it refuses", value: median(deferred), unit: "recipients/s" },
  ];
}

function figuresOf(measured: Readonly<Record<Kind, readonly number[]>>, recipients: number): readonly Figure[] {
  const base = median(measured.quiet);
  const dead = (["refuses", "never greets"] as const).flatMap((kind): readonly Figure[] => {
    const what = `${recipients} recipients at a site that ${kind}: live mail, p99`;
    const p99 = median(measured[kind]);
    return [
      { part, what, value: p99, unit: "ms" },
      { part, what: `${what}, of the quiet one`, value: p99 / base, unit: "×", goal: { atMost: 2 } },
    ];
  });
  return [{ part, what: "nothing else in the queue: live mail, p99", value: base, unit: "ms" }, ...dead];
}

/**
 * The copy is on the disk before the server starts. Otherwise the server's first checkpoint writes all of it (230 MB in
 * one fsync), and every commit waits for that.
 */
function copySpool(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const file = openSync(`${to}/spool.db`, "r+");
  fsyncSync(file);
  closeSync(file);
}

/** Recipients of the dead site that were deferred so far: no longer due. */
function deferredIn(dataFolder: string): number {
  using database = new DatabaseSync(`${dataFolder}/spool.db`, { readOnly: true });
  const row = database
    .prepare("SELECT count(*) AS n FROM recipients WHERE domain = 'dead.test' AND due > ?")
    .get(Date.now());
  return Number(row?.["n"] ?? 0);
}

interface Load {
  readonly port: number;
  readonly arrivals: Map<string, (at: number) => void>;
  readonly seconds: number;
}

/**
 * Milliseconds from the moment at which a message was to begin until the next hop has it. The moments are fixed
 * beforehand, so that a server that is slow does not make its clients send less.
 */
async function latencies({ port, arrivals, seconds }: Load): Promise<readonly number[]> {
  const content = contentOf(4096);
  const clients = await Promise.all(Array.from({ length: sessions }, () => SmtpClient.open(port)));
  const started = performance.now();
  const count = seconds * messagesPerSecond;
  const taken: Promise<number>[] = [];
  await Promise.all(
    clients.map(async (client, session) => {
      for (let n = session; n < count; n += sessions) {
        const begin = started + (1000 * n) / messagesPerSecond;
        await pause(Math.max(0, begin - performance.now()));
        const name = `live${started.toFixed(3)}-${n}`;
        taken.push(new Promise((resolve) => arrivals.set(name, (at) => resolve(at - begin))));
        await client.send(`${name}@sink.test`, content);
      }
      await client[Symbol.asyncDispose]();
    }),
  );
  const all = await Promise.all(taken);
  arrivals.clear();
  return all;
}

/** Takes connections and never says a word. */
async function startSilentHost(): Promise<{ readonly port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.2", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
