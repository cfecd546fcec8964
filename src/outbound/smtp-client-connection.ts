/**
 * One connection to an SMTP or LMTP server: the driver around `smtp/client/protocol.ts`.
 *
 * Owns the stream, one timer, and the pace of streamed content; hands each step's answer back as a value. The same
 * class serves deliveries and `posthaste send`, which watches the dialogue through `onDialogue`.
 *
 * Steps, one at a time: `greet`, `hello`, then as wanted `startTls` and `hello` again, `authenticate`, `transact` any
 * number of times, `quit`. After an answer of kind `failed` the connection is closed, or takes `quit` and nothing else
 * ({@link SmtpClientConnection.mayQuit}).
 */
import { errorText } from "../lib/error-text.ts";
import type { Instant } from "../lib/instant.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import { NetworkError, type Connection, type Network, type TlsClientOptions, type TlsFacts } from "../ports/network.ts";
import type { ClientCredentials, LoginOptions } from "../smtp/client/authentication.ts";
import type { ClientProtocolOptions } from "../smtp/client/session.ts";
import type { Capabilities } from "../smtp/client/capabilities.ts";
import type { ClientFailure } from "../smtp/client/failure.ts";
import { ClientProtocol } from "../smtp/client/protocol.ts";
import type { ClientEvent } from "../smtp/client/event.ts";
import type { ClientTimeouts } from "../smtp/client/timeouts.ts";
import type { MailObject } from "../smtp/client/transaction.ts";
import type { RecipientResult } from "../smtp/client/recipient-results.ts";

/** A line of the dialogue without its CRLF; passwords and content are left out. */
export interface DialogueLine {
  readonly direction: "in" | "out";
  readonly text: string;
  readonly at: Instant;
}

export interface SmtpClientConnectionOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly dialect: "smtp" | "lmtp";
  readonly heloName: string;
  readonly timeouts: ClientTimeouts;
  readonly connectTimeoutMs: number;
  readonly tlsTimeoutMs: number;
  readonly localAddress?: string;
  /** TLS from the first octet. */
  readonly implicitTls?: TlsClientOptions;
  readonly signal?: AbortSignal;
  readonly onDialogue?: (line: DialogueLine) => void;
  readonly onPhase?: NonNullable<ClientProtocolOptions["observePhase"]>;
}

type Answer<K extends ClientEvent["kind"]> = Extract<ClientEvent, { readonly kind: K | "failed" }>;

export type TlsAnswer =
  | { readonly kind: "established"; readonly facts: TlsFacts }
  /** The server said no; the session goes on in clear, if the caller wants that. */
  | Extract<ClientEvent, { readonly kind: "tls-refused" }>
  | Extract<ClientEvent, { readonly kind: "failed" }>;

export class SmtpClientConnection implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #protocol: ClientProtocol;
  readonly #clock: Clock;
  readonly #tlsTimeoutMs: number;
  /** The step under way. */
  #answer: PromiseWithResolvers<ClientEvent> | undefined;
  /** Kept for the step that is about to be asked for: the connection failed between two steps. */
  #failure: ClientFailure | undefined;
  #timer: Timer | undefined;
  #timerAt: Instant = 0;
  #writable = true;
  #wakeStream: (() => void) | undefined;

  private constructor(connection: Connection, options: SmtpClientConnectionOptions) {
    const { clock, onDialogue, onPhase } = options;
    this.#connection = connection;
    this.#clock = clock;
    this.#tlsTimeoutMs = options.tlsTimeoutMs;
    this.#protocol = new ClientProtocol({
      dialect: options.dialect,
      heloName: options.heloName,
      timeouts: options.timeouts,
      ...(onDialogue && { observe: (direction, text) => onDialogue({ direction, text, at: clock.now() }) }),
      ...(onPhase && { observePhase: onPhase }),
    });
    connection.start({
      data: (bytes) => {
        this.#protocol.receive(bytes, this.#clock.monotonicMs());
        this.#proceed();
      },
      end: () => this.#onEnd(undefined),
      drained: () => {
        this.#writable = true;
        this.#protocol.outputDrained(this.#clock.monotonicMs());
        this.#wakeStream?.();
      },
      closed: (error) => this.#onEnd(error),
    });
  }

  /** Rejects with {@link NetworkError}: nobody there, no answer in time (`ETIMEDOUT`), implicit TLS failed (`ETLS`). */
  static async connect(endpoint: Endpoint, options: SmtpClientConnectionOptions): Promise<SmtpClientConnection> {
    const { network, clock, localAddress, implicitTls } = options;
    const limitMs = options.connectTimeoutMs + (implicitTls === undefined ? 0 : options.tlsTimeoutMs);
    return await within(clock, limitMs, options.signal, async (signal) => {
      const connection = await network.connect(endpoint, {
        signal,
        ...(localAddress !== undefined && { localAddress }),
        ...(implicitTls !== undefined && { tls: implicitTls }),
      });
      return new SmtpClientConnection(connection, options);
    });
  }

  get local(): Endpoint {
    return this.#connection.local;
  }

  get remote(): Endpoint {
    return this.#connection.remote;
  }

  get tls(): TlsFacts | undefined {
    return this.#connection.tls;
  }

  /** See {@link Connection.channelBinding}. */
  channelBinding(type: string): Uint8Array | undefined {
    return this.#connection.channelBinding(type);
  }

  /** Of the current EHLO answer. */
  get capabilities(): Capabilities {
    return this.#protocol.capabilities;
  }

  /** Nothing is under way and the next transaction may begin. */
  get usable(): boolean {
    return this.#protocol.ready;
  }

  /** The server can be told QUIT: it waits for a command, or has refused us at its greeting or EHLO. */
  get mayQuit(): boolean {
    return this.#protocol.mayQuit;
  }

  /** Transactions begun on this connection. */
  get transactions(): number {
    return this.#protocol.transactions;
  }

  async greet(): Promise<Answer<"greeted">> {
    return (await this.#step((now) => this.#protocol.greet(now))) as Answer<"greeted">;
  }

  /** `plain`: HELO instead of EHLO. */
  async hello(options: { readonly plain?: boolean } = {}): Promise<Answer<"hello-done">> {
    return (await this.#step((now) => this.#protocol.hello(now, options))) as Answer<"hello-done">;
  }

  /** STARTTLS and the handshake; `hello` is next, whatever was offered before is forgotten (RFC 3207 §4.2). */
  async startTls(options: TlsClientOptions & { readonly signal?: AbortSignal }): Promise<TlsAnswer> {
    const answer = (await this.#step((now) => this.#protocol.startTls(now))) as Answer<"start-tls" | "tls-refused">;
    if (answer.kind !== "start-tls") return answer;
    try {
      const facts = await within(this.#clock, this.#tlsTimeoutMs, options.signal, (signal) =>
        this.#connection.startTls({ side: "client", ...options, signal }),
      );
      this.#protocol.tlsEstablished(this.#clock.monotonicMs());
      return { kind: "established", facts };
    } catch (error) {
      const kind = error instanceof NetworkError && error.code === "ETIMEDOUT" ? "timed-out" : "lost";
      const failure: ClientFailure = {
        kind,
        command: "STARTTLS",
        detail: `the TLS handshake failed: ${errorText(error)}`,
      };
      this.abandon(failure);
      return { kind: "failed", failure };
    }
  }

  /** The caller has made sure that this connection may carry the credentials. */
  async authenticate(
    credentials: ClientCredentials,
    options: LoginOptions = {},
  ): Promise<Answer<"authenticated" | "authentication-failed">> {
    const answer = await this.#step((now) => this.#protocol.authenticate(credentials, now, options));
    return answer as Answer<"authenticated" | "authentication-failed">;
  }

  /**
   * One transaction; exactly one result per recipient, in their order. `chunks` is read only where the transaction's
   * content is `stream`. Rejects when reading fails or yields another size than was announced; the peer has then not
   * got a whole message.
   */
  async transact(transaction: MailObject, chunks?: AsyncIterable<Uint8Array>): Promise<readonly RecipientResult[]> {
    const done = this.#step((now) => this.#protocol.transact(transaction, now));
    // A fault may reject it while content is read: what nobody awaits then would end the process.
    done.catch(() => undefined);
    if (chunks !== undefined) await this.#stream(chunks, transaction.envelope.size);
    const answer = (await done) as Answer<"transaction-done">;
    if (answer.kind === "transaction-done") return answer.results;
    return transaction.envelope.recipients.map(() => ({ kind: "broken", failure: answer.failure, contentSent: false }));
  }

  /**
   * Says QUIT and waits for the answer, a few seconds at most; then the connection is closed. At once where the server
   * could not read a QUIT now.
   */
  async quit(): Promise<void> {
    if (!this.#protocol.mayQuit) return this.destroy();
    await this.#begin((now) => this.#protocol.quit(now));
  }

  /** Gives the connection up; the step under way is answered with `failure`. */
  abandon(failure: ClientFailure): void {
    this.#protocol.abandon(failure);
    this.#proceed();
  }

  destroy(): void {
    this.abandon({ kind: "lost", command: "idle", detail: "this server gave up the connection" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  #step(begin: (now: Instant) => void): Promise<ClientEvent> {
    return this.#failure === undefined
      ? this.#begin(begin)
      : Promise.resolve({ kind: "failed", failure: this.#failure });
  }

  #begin(begin: (now: Instant) => void): Promise<ClientEvent> {
    const answer = (this.#answer = Promise.withResolvers<ClientEvent>());
    begin(this.#clock.monotonicMs());
    this.#proceed();
    return answer.promise;
  }

  /** A fault of the core ends this connection alone; the step under way rejects with it. */
  #proceed(): void {
    try {
      this.#takeEvents();
      this.#takeOutput();
    } catch (error) {
      this.#answer?.reject(error);
      this.#answer = undefined;
      this.#failure = { kind: "lost", command: "idle", detail: `a fault of this server: ${errorText(error)}` };
      this.#protocol.abandon(this.#failure);
    }
    if (this.#protocol.closed) this.#close();
    else this.#armTimer();
  }

  #takeEvents(): void {
    for (let event = this.#protocol.nextEvent(); event !== undefined; event = this.#protocol.nextEvent()) {
      if (event.kind === "failed") this.#failure = event.failure;
      if (event.kind !== "send-content") {
        this.#answer?.resolve(event);
        this.#answer = undefined;
      }
      this.#wakeStream?.();
    }
  }

  #takeOutput(): void {
    const output = this.#protocol.takeOutput();
    if (output === undefined || this.#protocol.closed) return;
    this.#writable = this.#connection.write(output);
    if (!this.#writable) this.#protocol.outputHeld();
  }

  /** One timer for all deadlines: it is moved only when the next deadline is earlier, so most waits cost nothing. */
  #armTimer(): void {
    const deadline = this.#protocol.deadline();
    if (deadline === undefined || (this.#timer !== undefined && this.#timerAt <= deadline)) return;
    this.#timer?.cancel();
    this.#timerAt = deadline;
    this.#timer = this.#clock.setTimer(Math.max(0, deadline - this.#clock.monotonicMs()), () => {
      this.#timer = undefined;
      this.#protocol.handleDeadline(this.#clock.monotonicMs());
      this.#proceed();
    });
  }

  #onEnd(error: Error | undefined): void {
    this.#protocol.endOfStream(error?.message, this.#clock.monotonicMs());
    this.#proceed();
  }

  #close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#failure ??= { kind: "lost", command: "idle", detail: "the connection is closed" };
    this.#wakeStream?.();
    this.#connection.destroy();
  }

  async #stream(chunks: AsyncIterable<Uint8Array>, size: number): Promise<void> {
    let left = size;
    try {
      for await (const chunk of chunks) {
        if (chunk.length === 0) continue;
        while (this.#answer !== undefined && !(this.#protocol.wantsContent && this.#writable)) await this.#woken();
        // Answered before the end: refused, or lost. The answer tells.
        if (this.#answer === undefined) return;
        left -= chunk.length;
        this.#protocol.content(chunk, this.#clock.monotonicMs());
        this.#proceed();
      }
      if (left > 0 && this.#answer !== undefined) throw new Error("the content is shorter than its size");
    } catch (error) {
      // Without the end of data the peer keeps nothing of it.
      this.destroy();
      throw error;
    }
  }

  #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakeStream = () => {
      this.#wakeStream = undefined;
      resolve();
    };
    return promise;
  }
}

/** Runs `work` with a signal that aborts after `limitMs` or when `signal` does. */
async function within<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timedOut = new NetworkError("ETIMEDOUT", `no answer within ${limitMs / 1000} s`);
  const timer = clock.setTimer(limitMs, () => controller.abort(timedOut));
  const both = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  try {
    return await work(both);
  } catch (error) {
    // Ports may wrap the reason of an abort; the time-out is told as what it is.
    throw controller.signal.aborted ? timedOut : error;
  } finally {
    timer.cancel();
  }
}
