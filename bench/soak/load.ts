/** The clients: workers that each keep a session at every door of the server and send the mix of messages in turn. */
import type { PreparedMix, Door } from "./mix.ts";
import type { Ledger } from "./ledger.ts";
import { SmtpClient } from "../scale/smtp-client.ts";

export interface Doors {
  readonly mx: number;
  readonly submission: number;
  readonly login: { readonly user: string; readonly password: string };
}

export interface LoadOptions {
  readonly doors: Doors;
  readonly mix: PreparedMix;
  readonly ledger: Ledger;
  readonly workers: number;
  /** Whether the share of `faulty` messages goes to the faulty next hop. */
  readonly faulty: boolean;
  /** A second; Infinity: as fast as the server answers. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/** Sessions end after so many messages, so that greetings, TLS handshakes and logins are part of the load. */
const messagesPerSession = 100;

/** How far behind its rate the load may fall before it lets go of what it missed: it must not come as a flood after a stop. */
const behindMsMax = 1000;

/** How long a worker waits after a session was lost or refused. */
const pauseMs = 200;

/** Of clients of `mx`: which address says that it may relay is in the configuration. */
export const relayAddress = "127.0.0.2";

export class Load {
  /** From the final dot to its 250, in milliseconds, since the last `takeLatencies`. */
  #latencies: number[] = [];
  accepted = 0;
  /** Sessions that ended otherwise than by us, and replies other than those expected. */
  interrupted = 0;
  lastInterruption = "";
  readonly #options: LoadOptions;
  readonly #started = performance.now();
  #dueMs = performance.now();
  readonly done: Promise<void>;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.done = Promise.all(Array.from({ length: options.workers }, () => this.#work())).then(() => undefined);
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  takeLatencies(): readonly number[] {
    const taken = this.#latencies;
    this.#latencies = [];
    return taken;
  }

  async #work(): Promise<void> {
    const { signal } = this.#options;
    const sessions = new Map<Door, { readonly client: SmtpClient; sent: number }>();
    while (!signal.aborted) {
      await this.#turn();
      if (signal.aborted) break;
      try {
        await this.#sendNext(sessions);
      } catch (error) {
        this.interrupted++;
        this.lastInterruption = error instanceof Error ? error.message : String(error);
        for (const { client } of sessions.values()) await client[Symbol.asyncDispose]();
        sessions.clear();
        await sleep(pauseMs);
      }
    }
    for (const { client } of sessions.values()) await client[Symbol.asyncDispose]();
  }

  async #sendNext(sessions: Map<Door, { readonly client: SmtpClient; sent: number }>): Promise<void> {
    const { mix, ledger, faulty } = this.#options;
    const message = mix.next(ledger, faulty);
    let session = sessions.get(message.door);
    if (session === undefined) {
      session = { client: await this.#open(message.door), sent: 0 };
      sessions.set(message.door, session);
    }
    const { client } = session;
    client.socket.write(`MAIL FROM:<${message.reversePath}>\r\nRCPT TO:<${message.recipient}>\r\nDATA\r\n`);
    await client.expect("250");
    await client.expect("250");
    await client.expect("354");
    client.socket.write(message.head);
    await client.write(message.content);
    const dotMs = performance.now();
    client.socket.write(".\r\n");
    await client.expect("250");
    this.#latencies.push(performance.now() - dotMs);
    this.accepted++;
    ledger.acknowledged(message.number);
    if (++session.sent < messagesPerSession) return;
    sessions.delete(message.door);
    await client.say("QUIT", "221");
    await client[Symbol.asyncDispose]();
  }

  async #open(door: Door): Promise<SmtpClient> {
    const { doors } = this.#options;
    if (door === "relay") return SmtpClient.open(doors.mx, { localAddress: relayAddress });
    if (door === "mx") return SmtpClient.open(doors.mx);
    const client = await SmtpClient.open(doors.submission, { tls: true });
    const { user, password } = doors.login;
    await client.say(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString("base64")}`, "235");
    return client;
  }

  /** Resolves when it is time for one more message. */
  async #turn(): Promise<void> {
    const { rate } = this.#options;
    if (rate === Infinity) return;
    const now = performance.now();
    this.#dueMs = Math.max(this.#dueMs, now - behindMsMax) + 1000 / rate;
    if (this.#dueMs > now) await sleep(this.#dueMs - now);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
