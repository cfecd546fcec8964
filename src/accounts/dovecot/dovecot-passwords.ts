/**
 * Asks Dovecot whether a password is right, over its client socket. One connection serves all questions, which may be under
 * way together; when it is lost, they are asked once more on a new one.
 */
import { shorten } from "../../lib/shorten.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Connection, Endpoint, Network } from "../../ports/network.ts";
import type { Random } from "../../ports/random.ts";
import type { PasswordAnswer, PasswordSource, ShownPassword } from "../password-source.ts";
import { type AuthReply, DovecotAuthProtocol, formatAuthQuestion } from "./auth-protocol.ts";

export interface DovecotOptions {
  readonly endpoint: Endpoint;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
}

/** A server on the same machine; it may be starting. */
const connectWithinMs = 10_000;
/** Dovecot tells its clients apart by the number of their process, and takes one number once. */
const processIdMax = 2 ** 31 - 1;
const idMax = 2 ** 31 - 1;
/** Of the reason that Dovecot gives, as the log shows it. */
const reasonLengthMax = 200;

export class DovecotPasswords implements PasswordSource {
  readonly name = "Dovecot";
  readonly #options: DovecotOptions;
  #session: Promise<AuthSession> | undefined;

  constructor(options: DovecotOptions) {
    this.#options = options;
  }

  /** Rejects where Dovecot cannot be reached, twice lost its connection, or is not what it should be. */
  async check(shown: ShownPassword, { signal }: { readonly signal: AbortSignal }): Promise<PasswordAnswer> {
    const first = await (await this.#open()).ask(shown, signal);
    if (first !== "lost") return first;
    const second = await (await this.#open()).ask(shown, signal);
    return second === "lost" ? { kind: "unavailable", reason: "Dovecot closed the connection twice" } : second;
  }

  close(): void {
    this.#session?.then((session) => session.close()).catch(() => undefined);
  }

  #open(): Promise<AuthSession> {
    const forget = () => {
      if (this.#session === opened) this.#session = undefined;
    };
    const opened = (this.#session ??= AuthSession.open(this.#options, () => forget()));
    opened.catch(forget);
    return opened;
  }
}

type Settle = (answer: PasswordAnswer | "lost") => void;

/** One connection, from its handshake to its end. */
class AuthSession {
  readonly #connection: Connection;
  readonly #protocol = new DovecotAuthProtocol();
  /** Bounded by the questions that may be under way, see `password-source.ts`. */
  readonly #waiting = new Map<number, Settle>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #onEnd: () => void;
  #nextId = 1;
  #ended = false;

  private constructor(connection: Connection, onEnd: () => void) {
    this.#connection = connection;
    this.#onEnd = onEnd;
    connection.start({
      data: (bytes) => this.#receive(bytes),
      end: () => connection.destroy(),
      drained: () => undefined,
      closed: () => this.#end("Dovecot closed the connection"),
    });
  }

  static async open({ endpoint, network, clock, random }: DovecotOptions, onEnd: () => void): Promise<AuthSession> {
    const signal = clock.timeout(connectWithinMs);
    const connection = await network.connect(endpoint, { signal });
    const session = new AuthSession(connection, onEnd);
    const late = () => session.#end("Dovecot did not end its greeting in time");
    signal.addEventListener("abort", late);
    connection.write(Buffer.from(DovecotAuthProtocol.greeting(1 + Math.floor(random.next() * processIdMax))));
    try {
      await session.#ready.promise;
    } finally {
      signal.removeEventListener("abort", late);
    }
    return session;
  }

  /** `lost`: the connection ended before the answer. */
  ask(shown: ShownPassword, signal: AbortSignal): Promise<PasswordAnswer | "lost"> {
    if (this.#ended) return Promise.resolve("lost");
    const id = this.#nextId;
    this.#nextId = id === idMax ? 1 : id + 1;
    const { promise, resolve } = Promise.withResolvers<PasswordAnswer | "lost">();
    // Who does not answer in time may never do so again: the next question gets a new connection.
    const giveUp = () => this.#end("a question was not answered in time");
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.set(id, (answer) => {
      signal.removeEventListener("abort", giveUp);
      resolve(answer);
    });
    this.#connection.write(Buffer.from(formatAuthQuestion({ id, ...shown })));
    return promise;
  }

  close(): void {
    this.#end("the server stops");
  }

  #receive(bytes: Uint8Array): void {
    for (const reply of this.#protocol.receive(bytes)) this.#take(reply);
  }

  #take(reply: AuthReply): void {
    switch (reply.kind) {
      case "ready":
        return this.#ready.resolve();
      case "broken":
        return this.#end(reply.reason);
      case "ok":
        return this.#settle(reply.id, { kind: "right", login: reply.user });
      case "fail":
        return this.#settle(reply.id, reply.temporary ? unavailable(reply.reason) : { kind: "wrong" });
      default:
        return reply satisfies never;
    }
  }

  /** An answer that nobody waits for is passed over. */
  #settle(id: number, answer: PasswordAnswer): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd();
    this.#connection.destroy();
    this.#ready.reject(new Error(reason));
    for (const settle of this.#waiting.values()) settle("lost");
    this.#waiting.clear();
  }
}

function unavailable(reason: string): PasswordAnswer {
  return {
    kind: "unavailable",
    reason: reason === "" ? "Dovecot reports a temporary failure" : `Dovecot: ${shorten(reason, reasonLengthMax)}`,
  };
}
