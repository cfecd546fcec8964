/**
 * Both ends of a simulated connection. Data arrives in later turns (microtasks, so the same calls give the same run), in
 * order, in pieces of the size asked for; TLS is a meeting of two `startTls` calls (`memory-handshake.ts`). Loss,
 * half-close and reset follow TCP: a reader that is destroyed with octets unread resets its peer, else the peer sees an
 * end and is reset when it writes. Owned by `memory-network.ts`.
 */
import { createHash } from "node:crypto";
import type { Endpoint } from "../lib/endpoint.ts";
import {
  NetworkError,
  type Connection,
  type ConnectionHandler,
  type TlsClientOptions,
  type TlsFacts,
} from "../ports/network.ts";
import { meet, type Handshake, type TlsOutcome } from "./memory-handshake.ts";
import { MemoryPreface } from "./memory-preface.ts";

export interface PairOptions {
  /** Largest piece handed over at once, in octets. */
  readonly chunkBytes: number;
  /** Above this, `write` answers false. */
  readonly highWaterMark: number;
  readonly tlsOutcome: (remote: Endpoint, client: TlsClientOptions) => TlsOutcome | undefined;
  /** How what one end sends reaches the other, in order: calls `deliver` once, later, or never. Default: at once. */
  readonly carrier?: (from: Endpoint, to: Endpoint) => Carrier;
}

export type Carrier = (deliver: () => void) => void;

type StartTlsOptions = Parameters<Connection["startTls"]>[0];

export class MemoryConnection implements Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #options: PairOptions;
  readonly #carry: Carrier;
  #peer: MemoryConnection = this;
  #handler: ConnectionHandler | undefined;
  #tls: TlsFacts | undefined;
  #handshake: Handshake | undefined;
  #preface: MemoryPreface | undefined;
  /** Written during a handshake: sent when it is done, as a TLS library does. */
  #held: Uint8Array[] = [];
  /** Octets sent that have not reached the other end. */
  #onTheWay = 0;
  /** Sent by the peer, not yet handed over here. */
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #incomingFin = false;
  #paused = false;
  #needsDrain = false;
  #pumpScheduled = false;
  #inEnded = false;
  #outEnded = false;
  #closed = false;

  private constructor(local: Endpoint, remote: Endpoint, options: PairOptions) {
    this.local = local;
    this.remote = remote;
    this.#options = options;
    this.#carry = options.carrier?.(local, remote) ?? ((deliver) => deliver());
  }

  /** Two connected ends. */
  static pair(client: Endpoint, server: Endpoint, options: PairOptions): [MemoryConnection, MemoryConnection] {
    const near = new MemoryConnection(client, server, options);
    const far = new MemoryConnection(server, client, options);
    near.#peer = far;
    far.#peer = near;
    return [near, far];
  }

  get tls(): TlsFacts | undefined {
    return this.#tls;
  }

  /** The same at both ends of one connection, and at no other. */
  channelBinding(type: string): Uint8Array | undefined {
    if (this.#tls === undefined || type !== "tls-exporter") return undefined;
    const ends = [this.local, this.remote].map((end) => JSON.stringify(end)).toSorted();
    return createHash("sha256").update(ends.join()).digest();
  }

  get bufferedBytes(): number {
    return this.#peer.#incomingBytes + this.#onTheWay + this.#held.reduce((sum, { length }) => sum + length, 0);
  }

  /** For tests: octets sent by the peer and not yet handed over here. */
  get unreadBytes(): number {
    return this.#incomingBytes;
  }

  /** Whether `closed` was, or is about to be, reported. */
  get isClosed(): boolean {
    return this.#closed;
  }

  readPreface(read: (octets: Uint8Array) => number | undefined): Promise<void> {
    const preface = new MemoryPreface(read);
    this.#preface = preface;
    if (this.#closed) preface.fail();
    this.#schedulePump();
    return preface.read;
  }

  start(handler: ConnectionHandler): void {
    if (this.#handler !== undefined) throw new Error("start was called twice");
    this.#handler = handler;
    this.#schedulePump();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#outEnded) return false;
    const copy = Uint8Array.from(bytes);
    if (this.#handshake !== undefined) this.#held.push(copy);
    else this.#send(copy);
    const below = this.bufferedBytes < this.#options.highWaterMark;
    if (!below) this.#needsDrain = true;
    return below;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedulePump();
  }

  end(): void {
    if (this.#closed || this.#outEnded) return;
    this.#outEnded = true;
    this.#carry(() => this.#peer.#finArrived());
    if (this.#inEnded) this.#close();
  }

  destroy(): void {
    if (this.#closed) return;
    const unread = this.#incomingBytes > 0;
    this.#carry(() => {
      if (unread) this.#peer.#close(new NetworkError("ECONNRESET", "read ECONNRESET"));
      else this.#peer.#finArrived();
    });
    this.#close();
  }

  /** For tests: this end is gone as if its machine had lost its power; the other never hears of it. */
  vanish(): void {
    this.#close(new NetworkError("ECONNRESET", "read ECONNRESET"));
  }

  /** For tests: the network loses the connection; both ends hear `code`. */
  reset(code = "ECONNRESET"): void {
    for (const end of [this.#peer, this]) end.#close(new NetworkError(code, `read ${code}`));
  }

  async startTls(options: StartTlsOptions): Promise<TlsFacts> {
    if (this.#closed) throw new NetworkError("ETLS", "the connection is closed");
    if (this.#tls !== undefined || this.#handshake !== undefined) throw new Error("startTls was called twice");
    // What came before the handshake is never interpreted (RFC 3207 §4.2).
    this.#incoming = [];
    this.#incomingBytes = 0;
    return await new Promise((resolve, reject) => {
      this.#handshake = { options, resolve, reject };
      if (options.side === "client") {
        const abort = () => this.#failHandshake("the handshake was aborted");
        if (options.signal?.aborted) return abort();
        options.signal?.addEventListener("abort", abort, { once: true });
      }
      queueMicrotask(() => this.#meet());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  #send(bytes: Uint8Array): void {
    this.#onTheWay += bytes.length;
    this.#carry(() => {
      this.#onTheWay -= bytes.length;
      this.#arrive(bytes);
    });
  }

  #arrive(bytes: Uint8Array): void {
    const peer = this.#peer;
    if (peer.#closed) return this.#close(new NetworkError("ECONNRESET", "write ECONNRESET"));
    // Plain octets where the peer awaits a handshake are no handshake.
    if (peer.#handshake !== undefined) return peer.#failHandshake("wrong version number");
    peer.#incoming.push(bytes);
    peer.#incomingBytes += bytes.length;
    peer.#schedulePump();
  }

  #finArrived(): void {
    if (this.#closed) return;
    this.#incomingFin = true;
    this.#schedulePump();
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Hands over one piece; the next follows in a later turn. */
  #pump(): void {
    if (this.#preface !== undefined) return this.#pumpPreface(this.#preface);
    const handler = this.#handler;
    if (handler === undefined || this.#closed || this.#paused || this.#handshake !== undefined) return;
    const piece = this.#takePiece();
    if (piece !== undefined) {
      if (piece.length > 0) handler.data(Uint8Array.from(piece));
      this.#peer.#drained();
      return this.#schedulePump();
    }
    if (!this.#incomingFin || this.#inEnded) return;
    this.#inEnded = true;
    handler.end();
    if (this.#outEnded) this.#close();
  }

  /** The preface takes its part of the octets. */
  #pumpPreface(preface: MemoryPreface): void {
    const piece = this.#takePiece();
    if (piece === undefined) {
      if (this.#incomingFin) preface.fail();
      return;
    }
    const rest = preface.take(piece);
    if (rest !== undefined) {
      this.#preface = undefined;
      if (rest.length > 0) this.#incoming.unshift(rest);
      this.#incomingBytes += rest.length;
    }
    this.#schedulePump();
  }

  #takePiece(): Uint8Array | undefined {
    const first = this.#incoming.shift();
    const piece = first?.subarray(0, this.#options.chunkBytes);
    if (first === undefined || piece === undefined) return undefined;
    if (piece.length < first.length) this.#incoming.unshift(first.subarray(piece.length));
    this.#incomingBytes -= piece.length;
    return piece;
  }

  #drained(): void {
    if (!this.#needsDrain || this.#closed || this.bufferedBytes > 0) return;
    this.#needsDrain = false;
    this.#handler?.drained();
  }

  #meet(): void {
    const peer = this.#peer;
    const near = this.#handshake;
    const far = peer.#handshake;
    if (near === undefined) return;
    if (this.#incomingBytes > 0 && far === undefined) return this.#failHandshake("wrong version number");
    if (far === undefined) {
      if (peer.#closed) this.#failHandshake("the peer closed the connection during the handshake");
      return;
    }
    const serverEnd = near.options.side === "server" ? this : peer;
    const outcome = meet([near, far], (client) => this.#options.tlsOutcome(serverEnd.local, client));
    if (outcome.kind === "stalled") return;
    if (outcome.kind === "failed") return this.#failHandshake(outcome.reason);
    const { facts } = outcome;
    this.#establish(near, facts);
    peer.#establish(far, facts);
  }

  #establish(handshake: Handshake, facts: TlsFacts): void {
    const own = handshake.options.side === "client" ? facts : { ...facts, verified: false };
    this.#tls = own;
    this.#handshake = undefined;
    handshake.resolve(own);
    const held = this.#held;
    this.#held = [];
    // After the peer's side is established too.
    queueMicrotask(() => {
      for (const bytes of held) this.#send(bytes);
      this.#schedulePump();
    });
  }

  #failHandshake(reason: string): void {
    for (const end of [this, this.#peer]) {
      const handshake = end.#handshake;
      if (handshake === undefined) continue;
      end.#handshake = undefined;
      handshake.reject(new NetworkError("ETLS", reason));
      end.#close(new NetworkError("ETLS", reason));
    }
    this.#peer.#close(new NetworkError("ECONNRESET", "read ECONNRESET"));
  }

  #close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.#held = [];
    this.#preface?.fail();
    const handshake = this.#handshake;
    this.#handshake = undefined;
    handshake?.reject(new NetworkError("ETLS", error?.message ?? "the connection was closed during the handshake"));
    queueMicrotask(() => {
      this.#handler?.closed(error);
      // A peer that awaits a handshake with us hears that there is nobody.
      this.#peer.#meet();
    });
  }
}
