/**
 * One connection over a node socket, plain at first and perhaps under TLS later. Writes of one turn leave in one system
 * call; reads are handed on as they come. It owns the socket: nobody else listens to it.
 */
import { isIP, type Socket } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";

import type { Endpoint } from "../../lib/endpoint.ts";
import {
  NetworkError,
  type Connection,
  type ConnectionHandler,
  type TlsClientOptions,
  type TlsFacts,
  type TlsServerOptions,
} from "../../ports/network.ts";
import { noteRead } from "../process/read-garbage.ts";
import { channelBindingOf } from "../tls/channel-bindings.ts";
import type { TlsContexts } from "../tls/tls-contexts.ts";
import { readPreface } from "./read-preface.ts";
import { clientFacts, serverFacts, unmetDemand, verdictOf, wrongName } from "../tls/tls-facts.ts";

type ServerTls = { readonly side: "server" } & TlsServerOptions;
type ClientTls = { readonly side: "client" } & TlsClientOptions & { readonly signal?: AbortSignal };

/** A handshake is two flights; whoever needs longer for them holds a socket for nothing. */
const handshakeTimeoutMs = 60_000;
const closedInHandshake = "the peer closed the connection during the handshake";

export class NodeConnection implements Connection {
  readonly remote: Endpoint;
  readonly #contexts: TlsContexts;
  #socket: Socket;
  #local: Endpoint | undefined;
  #handler: ConnectionHandler | undefined;
  #tls: TlsFacts | undefined;
  #side: "server" | "client" = "client";
  #error: Error | undefined;
  #corked = false;
  #handshaking = false;
  #closed = false;
  /** Written while the clear text before a handshake still goes out. */
  #held: Uint8Array[] | undefined;

  readonly #onData = (bytes: Buffer): void => {
    this.#handler?.data(bytes);
    noteRead(bytes.length);
  };
  readonly #onEnd = (): void => {
    if (!this.#handshaking) this.#handler?.end();
  };
  readonly #onDrain = (): void => this.#handler?.drained();
  readonly #onError = (error: Error): void => {
    this.#error ??= this.#handshaking ? tlsError(error) : networkError(error);
  };
  readonly #onClose = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#handshaking) this.#error ??= new NetworkError("ETLS", closedInHandshake);
    this.#handler?.closed(this.#error);
  };
  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket.uncork();
  };

  /** The socket must be connected and have no listeners. */
  constructor(socket: Socket, remote: Endpoint, contexts: TlsContexts) {
    this.#socket = socket;
    this.remote = remote;
    this.#contexts = contexts;
    this.#listen(socket);
  }

  get local(): Endpoint {
    this.#local ??= localEndpoint(this.#socket, this.remote);
    return this.#local;
  }

  get tls(): TlsFacts | undefined {
    return this.#tls;
  }

  channelBinding(type: string): Uint8Array | undefined {
    const socket = this.#socket;
    if (this.#tls === undefined || !(socket instanceof TLSSocket)) return undefined;
    return channelBindingOf(socket, this.#side, type);
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  readPreface(read: (octets: Uint8Array) => number | undefined): Promise<void> {
    return readPreface(this.#socket, read);
  }

  start(handler: ConnectionHandler): void {
    this.#handler = handler;
    if (this.#closed) {
      // It was lost before anyone listened.
      queueMicrotask(() => handler.closed(this.#error));
      return;
    }
    this.#socket.on("data", this.#onData);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#held !== undefined) {
      this.#held.push(bytes);
      return true;
    }
    const socket = this.#socket;
    if (!socket.writable) return false;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(this.#uncork);
    }
    return socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }

  async startTls(options: ServerTls | ClientTls): Promise<TlsFacts> {
    if (this.#tls !== undefined || this.#held !== undefined) throw new Error("startTls was called twice");
    const plain = this.#socket;
    plain.off("data", this.#onData);
    plain.pause();
    await this.#flush(plain);
    if (plain.destroyed) throw new NetworkError("ETLS", "the connection was closed before the handshake");
    // Octets that came before the handshake are never interpreted (RFC 3207 §4.2). Where no conversation in clear has begun,
    // they are the handshake.
    if (this.#handler !== undefined) while (plain.read() !== null);
    this.#unlisten(plain);
    try {
      this.#handshaking = true;
      const facts = await this.#handshake(plain, options);
      this.#handshaking = false;
      return facts;
    } catch (cause) {
      const error = tlsError(cause);
      this.#error ??= error;
      this.#socket.destroy();
      // Where no TLS socket was made, nobody else hears that the plain one closes.
      if (this.#socket === plain) plain.once("close", this.#onClose);
      throw error;
    }
  }

  /** Clear text written before the handshake leaves in clear; what is written from now on waits for TLS. */
  async #flush(plain: Socket): Promise<void> {
    this.#held = [];
    if (this.#corked) this.#uncork();
    // Let the pending uncork of this turn find nothing to do.
    if (plain.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      plain.write("", () => resolve());
      plain.once("close", () => resolve());
    });
  }

  async #handshake(plain: Socket, options: ServerTls | ClientTls): Promise<TlsFacts> {
    const socket = options.side === "server" ? this.#serverSocket(plain, options) : this.#clientSocket(plain, options);
    this.#socket = socket;
    this.#side = options.side;
    this.#listen(socket);
    // A failed handshake of the server's side is told by this event alone.
    socket.on("_tlsError", this.#onError);
    if (this.#handler !== undefined) {
      socket.pause();
      socket.on("data", this.#onData);
    }
    for (const bytes of this.#held ?? []) socket.write(bytes);
    this.#held = undefined;
    if (options.side === "server") {
      await established(socket, options);
      this.#tls = serverFacts(socket);
    } else {
      this.#tls = await this.#establishedClient(socket, options);
    }
    const facts = this.#tls;
    if (this.#handler !== undefined) socket.resume();
    return facts;
  }

  async #establishedClient(socket: TLSSocket, options: ClientTls): Promise<TlsFacts> {
    const contexts = this.#contexts;
    const resumable = contexts.session(options);
    let facts: TlsFacts | undefined;
    let early: Buffer | undefined;
    const keep = (session: Buffer, found: TlsFacts) =>
      contexts.keepSession(options, { session, verdict: verdictOf(found) });
    // TLS 1.2 gives the session with the handshake, TLS 1.3 any number of them at any time after it.
    socket.on("session", (session) => {
      if (facts === undefined) early = session;
      else keep(session, facts);
    });
    try {
      await established(socket, options);
      const found = clientFacts(socket, options, resumable?.verdict);
      const unmet = unmetDemand(found, options.demand);
      if (unmet !== undefined) throw new Error(unmet);
      facts = found;
      if (early !== undefined) keep(early, found);
      return found;
    } catch (error) {
      // The next handshake is a full one.
      contexts.forgetSession(options);
      throw error;
    }
  }

  #serverSocket(plain: Socket, options: ServerTls): TLSSocket {
    const contexts = this.#contexts;
    return new TLSSocket(plain, {
      isServer: true,
      secureContext: contexts.server(options),
      SNICallback: (name, choose) => choose(null, contexts.server(options, name)),
      requestCert: options.clientCertificates !== undefined,
      // A certificate that nobody vouches for may still have a key that an account has registered.
      rejectUnauthorized: false,
    });
  }

  #clientSocket(plain: Socket, options: ClientTls): TLSSocket {
    const session = this.#contexts.session(options)?.session;
    // SNI carries names only (RFC 6066 §3); an address is still compared with the certificate.
    const name = isIP(options.serverName) === 0 ? { servername: options.serverName } : { host: options.serverName };
    return connectTls({
      socket: plain,
      secureContext: this.#contexts.client(options),
      // Judged by us once the handshake is over, so that `verified: false` can be told rather than failed on.
      rejectUnauthorized: false,
      ...name,
      checkServerIdentity: (_, certificate) => wrongName(certificate, options),
      ...(session !== undefined && { session }),
    });
  }

  #listen(socket: Socket): void {
    socket.on("end", this.#onEnd);
    socket.on("drain", this.#onDrain);
    socket.on("error", this.#onError);
    socket.on("close", this.#onClose);
  }

  /** The error listener stays: an error of a socket without one would end the process. */
  #unlisten(socket: Socket): void {
    socket.off("end", this.#onEnd);
    socket.off("drain", this.#onDrain);
    socket.off("close", this.#onClose);
  }
}

/** Settles when the handshake is over; rejects when it fails, takes too long, or is aborted. */
async function established(socket: TLSSocket, options: ServerTls | ClientTls): Promise<void> {
  const signal = options.side === "client" ? options.signal : undefined;
  let cause: Error | undefined;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const remember = (error: Error) => {
    cause ??= error;
  };
  const onClose = () => reject(cause ?? new Error(closedInHandshake));
  const onAbort = () => reject(signal?.reason as Error);
  const success = options.side === "server" ? "secure" : "secureConnect";
  // Sockets are half-open: without a look at `end`, a peer that leaves would be waited for.
  socket.once(success, resolve).once("_tlsError", remember).once("error", remember);
  socket.once("end", onClose).once("close", onClose);
  const timer = setTimeout(() => reject(new Error("the handshake took too long")), handshakeTimeoutMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
    socket.off(success, resolve).off("_tlsError", remember).off("error", remember);
    socket.off("end", onClose).off("close", onClose);
  }
}

/** OpenSSL's message names its source files; its reason is what people need. */
function tlsError(cause: unknown): NetworkError {
  const { reason, message } = cause as Error & { readonly reason?: string };
  return new NetworkError("ETLS", reason ?? message, { cause });
}

export function networkError(error: Error): NetworkError {
  if (error instanceof NetworkError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  const tls = code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS");
  return new NetworkError(tls ? "ETLS" : code, error.message, { cause: error });
}

/** IPv4 in its own form, also where a dual-stack socket tells `::ffff:192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

function localEndpoint(socket: Socket, remote: Endpoint): Endpoint {
  if (remote.kind === "unix") return remote;
  return { kind: "ip", address: plainAddress(socket.localAddress ?? ""), port: socket.localPort ?? 0 };
}
