/**
 * Honest mail, from a thread of its own so that attackers take none of its time: three servers that hand over a message on a
 * connection of its own, again and again, and a user who logs in and submits. Whoever is turned away tries again; the time of
 * a message counts from its first try to its 250.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { login, type Doors } from "./attacked-server.ts";
import { honestClient, serverAddress } from "./networks.ts";
import { Peer } from "./peer.ts";

export interface HonestMail {
  /** Milliseconds from the first try to the 250, of messages of other servers, and of a user's. */
  readonly received: readonly number[];
  readonly submitted: readonly number[];
  /** Tries that the server turned away or broke off. */
  readonly refusals: number;
  /** Messages that nobody took in the end. */
  readonly lost: number;
}

interface Work {
  readonly doors: Doors;
  readonly durationMs: number;
}

const serversAtOnce = 3;
/** Between two messages of one sender. */
const pauseMs = 25;
/** After a refusal: an honest server waits minutes; in a test that has seconds it is less patient. */
const againMs = 200;
/** So long an honest sender goes on trying. */
const patienceMs = 20_000;
const content = `From: <friend@honest.test>\r\nSubject: hello\r\nDate: Mon, 30 Nov 2026 12:00:00 +0000\r\n\r\n${"a line of text that is as long as lines are\r\n".repeat(40)}.\r\n`;

/** Sends for so long, and waits until the last message has its answer. */
export function sendHonestMail(doors: Doors, durationMs: number): Promise<HonestMail> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { doors, durationMs } satisfies Work });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** The time under which 99 of 100 stay, in milliseconds. */
export function percentile99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;
}

export function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}

async function work({ doors, durationMs }: Work): Promise<HonestMail> {
  const endMs = performance.now() + durationMs;
  const count = { refusals: 0, lost: 0 };
  const one = async (send: () => Promise<boolean>): Promise<readonly number[]> => {
    const times: number[] = [];
    while (performance.now() < endMs) {
      const began = performance.now();
      let isTaken = await send();
      while (!isTaken && performance.now() - began < patienceMs) {
        count.refusals++;
        await sleep(againMs);
        isTaken = await send();
      }
      if (isTaken) times.push(performance.now() - began);
      else count.lost++;
      await sleep(pauseMs);
    }
    return times;
  };
  const [submitted, ...received] = await Promise.all([
    one(() => submit(doors.submissions)),
    ...Array.from({ length: serversAtOnce }, () => one(() => handOver(doors.mx))),
  ]);
  return { received: received.flat(), submitted, ...count };
}

async function handOver(port: number): Promise<boolean> {
  using peer = await Peer.open({ host: serverAddress, port, from: honestClient() });
  return (await peer.introduces()) && (await transaction(peer, "friend@honest.test"));
}

async function submit(port: number): Promise<boolean> {
  using peer = await Peer.open({ host: serverAddress, port, from: honestClient(), tls: true });
  if (!(await peer.introduces())) return false;
  const response = Buffer.from(`\0${login.user}\0${login.password}`).toString("base64");
  return (
    (await peer.says(`AUTH PLAIN ${response}`))?.startsWith("235") === true && (await transaction(peer, login.user))
  );
}

async function transaction(peer: Peer, from: string): Promise<boolean> {
  for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${login.user}>`]) {
    if ((await peer.says(line))?.startsWith("250") !== true) return false;
  }
  if ((await peer.says("DATA"))?.startsWith("354") !== true) return false;
  peer.write(content.replace("friend@honest.test", from));
  const isTaken = (await peer.hears(/^\d{3} .*\r\n/m))?.startsWith("250") === true;
  if (isTaken) peer.write("QUIT\r\n");
  return isTaken;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

if (!isMainThread) parentPort?.postMessage(await work(workerData as Work));
