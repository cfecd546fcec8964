/** Receiving as a whole: opens the listeners, admits clients, and ends their sessions when the server stops. */
import { type Endpoint, formatEndpoint } from "../lib/endpoint.ts";
import { whenReady } from "../lib/when-ready.ts";
import type { ConnectionId, Entry } from "../policy/admission.ts";
import type { Connection, NetworkListener, TlsServerOptions } from "../ports/network.ts";
import { ClientVisibility } from "./client-visibility.ts";
import { InboundConnection } from "./connection.ts";
import { checkListener, hasImplicitTls, type ListenerOptions, tlsOptionsOf } from "./listener-options.ts";
import { type Peer, ProxyHeaders } from "./proxy-headers.ts";
import { handshakeHintFor } from "./refusals.ts";
import type { InboundServices, InboundSettings } from "./services.ts";

/** A connection that has a place. */
interface Held {
  readonly stream: Connection;
  readonly openedAtMs: number;
  /** Absent in its TLS handshake, before a session. */
  connection?: InboundConnection;
  /** It lost its place. */
  dropped?: true;
}

/** A client that asks for one. */
interface Caller {
  readonly stream: Connection;
  readonly listener: ListenerOptions;
  readonly peer: Peer;
  /** With implicit TLS. */
  readonly tls: TlsServerOptions | undefined;
  readonly openedAtMs: number;
}

export class Inbound {
  readonly #services: InboundServices;
  readonly #listeners: NetworkListener[] = [];
  readonly #connections = new Set<InboundConnection>();
  readonly #held = new Map<ConnectionId, Held>();
  readonly #proxies: ProxyHeaders;
  readonly #visibility: ClientVisibility;
  #settings: InboundSettings;
  #stopped: Promise<void> | undefined;
  #allClosed: (() => void) | undefined;

  private constructor(services: InboundServices, settings: InboundSettings) {
    this.#services = services;
    this.#settings = settings;
    this.#proxies = new ProxyHeaders(services);
    this.#visibility = new ClientVisibility(services);
    services.admission.serve({
      drop: (connection, told) => this.#drop(connection, told),
      idleSince: (connections) => connections.map((connection) => this.#idleSince(connection)),
    });
  }

  /** Opens every listener, or none: rejects with ListenerError or the network's error. */
  static async open(
    services: InboundServices,
    settings: InboundSettings,
    listeners: readonly ListenerOptions[],
  ): Promise<Inbound> {
    for (const listener of listeners) checkListener(listener, services.certificates !== undefined);
    const inbound = new Inbound(services, settings);
    try {
      for (const listener of listeners) await inbound.#listen(listener);
    } catch (error) {
      await inbound.#closeListeners();
      throw error;
    }
    return inbound;
  }

  /** Where each listener listens, in the order given: a port asked for as 0 is known here. */
  get endpoints(): readonly Endpoint[] {
    return this.#listeners.map(({ endpoint }) => endpoint);
  }

  /** Open sessions. */
  get sessions(): number {
    return this.#connections.size;
  }

  /** Every outside client seems to be one private address. */
  get clientsAreHidden(): boolean {
    return this.#visibility.isHidden;
  }

  /** For sessions that begin from now on. */
  reconfigure(settings: InboundSettings): void {
    this.#settings = settings;
    this.#services.memory.resize(settings.limits.session_memory);
  }

  /**
   * Stops accepting, ends idle sessions with 421, lets content under way be finished until the deadline, then drops what
   * is left: such a client has no reply, and keeps its message. Asked again, it is the same stop.
   */
  shutdown(options: { readonly deadlineMs: number }): Promise<void> {
    this.#stopped ??= this.#shutdown(options.deadlineMs);
    return this.#stopped;
  }

  async #shutdown(deadlineMs: number): Promise<void> {
    await this.#closeListeners();
    this.#proxies.close();
    for (const { connection, stream } of [...this.#held.values()]) {
      if (connection === undefined) stream.destroy();
      else connection.shutdown();
    }
    if (this.#connections.size === 0) return;
    const allClosed = new Promise<void>((resolve) => {
      this.#allClosed = resolve;
    });
    const timer = this.#services.clock.setTimer(deadlineMs, () => {
      for (const connection of [...this.#connections]) connection.destroy();
    });
    await allClosed;
    timer.cancel();
  }

  async #listen(listener: ListenerOptions): Promise<void> {
    const { network, log } = this.#services;
    const opened = await network.listen(listener.endpoint, { accept: (stream) => this.#accept(stream, listener) });
    this.#listeners.push(opened);
    log.event("listener-opened", { kind: listener.kind, address: formatEndpoint(opened.endpoint) });
  }

  /** Whose connection it is stands in front of everything else where a proxy passes it on. */
  #accept(stream: Connection, listener: ListenerOptions): void {
    if (this.#stopped !== undefined) return stream.destroy();
    const admitted = whenReady(this.#proxies.peerOf(stream, listener), (peer) => {
      if (peer === undefined) return;
      // Users who sign in are judged by their address as ever: one of them could have said enough on port 25.
      const isMx = listener.kind === "mx" && !isProxy(listener, peer);
      this.#admit(stream, listener, isMx ? this.#visibility.judged(peer, this.#settings.relayNetworks) : peer);
    });
    // What fails here concerns one connection.
    if (admitted instanceof Promise) admitted.catch(() => stream.destroy());
  }

  /** Counted before anything else is read or written, a handshake included. */
  #admit(stream: Connection, listener: ListenerOptions, peer: Peer): void {
    if (this.#stopped !== undefined) return stream.destroy();
    const { clock, certificates } = this.#services;
    const tls =
      hasImplicitTls(listener.kind) && certificates !== undefined
        ? tlsOptionsOf(listener, this.#settings, certificates)
        : undefined;
    const caller: Caller = { stream, listener, peer, tls, openedAtMs: clock.monotonicMs() };
    const entered = whenReady(this.#askFor(peer, listener, tls !== undefined), (entry) => this.#enter(caller, entry));
    // Where the other thread is gone, there is no place.
    if (entered instanceof Promise) entered.catch(() => stream.destroy());
  }

  #askFor({ address, hidden }: Peer, { kind: listener, xclientFrom }: ListenerOptions, handshake: boolean) {
    // Behind a proxy that does not say whose connection it is, or has not said so yet, one address stands for all.
    const standsForOthers = hidden === true || xclientFrom?.contains(address) === true;
    const trusted = address !== "" && (standsForOthers || this.#settings.relayNetworks.contains(address));
    return this.#services.admission.enter({ address, listener, trusted, handshake });
  }

  #enter(caller: Caller, entry: Entry | undefined): void {
    const { stream, tls, openedAtMs } = caller;
    if (entry === undefined) return stream.destroy();
    const held: Held = { stream, openedAtMs };
    this.#held.set(entry.connection, held);
    if (this.#stopped !== undefined) return this.#turnAway(held, entry);
    if (tls === undefined) return this.#begin(caller, held, entry);
    // The port bounds the handshake in time, and closes the connection when it fails.
    stream.startTls({ side: "server", ...tls }).then(
      () => {
        if (this.#stopped !== undefined) return this.#turnAway(held, entry);
        this.#services.admission.note(entry.connection, "established");
        this.#begin(caller, held, entry);
      },
      (error: unknown) => {
        const { peer, listener } = caller;
        const client = peer.address;
        const hint = handshakeHintFor(listener);
        if (held.dropped !== true) {
          this.#services.log.event("session-tls-failed", { client, error: String(error), hint });
        }
        this.#turnAway(held, entry);
      },
    );
  }

  /** Its place is free again, and it had no session. */
  #turnAway({ stream }: Held, { connection }: Entry): void {
    this.#leave(connection);
    stream.destroy();
  }

  #begin({ stream, listener, peer }: Caller, held: Held, entry: Entry): void {
    let place = entry.connection;
    /** The client that a proxy names gets a place of its own, and the proxy's is free again. */
    const takeOver = (next: Entry | undefined): Entry | undefined => {
      if (next === undefined) return undefined;
      this.#leave(place);
      place = next.connection;
      if (this.#connections.has(connection)) this.#held.set(place, held);
      else this.#leave(place);
      return next;
    };
    const connection: InboundConnection = new InboundConnection({
      stream,
      listener,
      services: this.#services,
      settings: this.#settings,
      peer,
      ...(entry.refusal !== undefined && { refusal: entry.refusal }),
      passOn: async (named) => takeOver(await this.#askFor(named, listener, false)),
      spoke: (name) => {
        this.#services.admission.note(place, "spoke");
        if (listener.kind === "mx" && !isProxy(listener, peer)) {
          this.#visibility.note(peer, name, this.#settings.relayNetworks);
        }
      },
      closed: (over) => {
        this.#leave(place);
        this.#connections.delete(over);
        if (this.#connections.size === 0) this.#allClosed?.();
      },
    });
    held.connection = connection;
    this.#connections.add(connection);
    connection.start();
  }

  #leave(connection: ConnectionId): void {
    this.#held.delete(connection);
    this.#services.admission.note(connection, "left");
  }

  #drop(id: ConnectionId, told: boolean): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    if (told) return held.connection?.makeRoom();
    held.dropped = true;
    held.stream.destroy();
  }

  #idleSince(id: ConnectionId): number | undefined {
    const held = this.#held.get(id);
    return held?.connection === undefined ? held?.openedAtMs : held.connection.idleSinceMs;
  }

  async #closeListeners(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

/** Listed as one that names its clients: for itself it comes to see whether the server is there. */
function isProxy({ proxy, xclientFrom }: ListenerOptions, { address }: Peer): boolean {
  return proxy?.from.contains(address) === true || xclientFrom?.contains(address) === true;
}
