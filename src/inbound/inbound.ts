/** Receiving as a whole: opens the listeners, admits clients, and ends their sessions when the server stops. */
import { parseIpAddress } from "../address/ip-address.ts";
import { formatListenAddress } from "../lib/setting-types.ts";
import type { Admission } from "../policy/connection-limits.ts";
import type { Connection as Stream, Endpoint, NetworkListener } from "../ports/network.ts";
import { Connection } from "./connection.ts";
import { checkListener, hasImplicitTls, type ListenerOptions } from "./listener-options.ts";
import { handshakeHintFor } from "./refusals.ts";
import type { InboundServices, InboundSettings } from "./services.ts";

export class Inbound {
  readonly #services: InboundServices;
  readonly #listeners: NetworkListener[] = [];
  readonly #connections = new Set<Connection>();
  /** In their TLS handshake, before a session. */
  readonly #handshakes = new Set<Stream>();
  #settings: InboundSettings;
  #stopped: Promise<void> | undefined;
  #allClosed: (() => void) | undefined;

  private constructor(services: InboundServices, settings: InboundSettings) {
    this.#services = services;
    this.#settings = settings;
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

  /** For sessions that begin from now on; limits on clients apply at once. */
  reconfigure(settings: InboundSettings): void {
    this.#settings = settings;
    this.#services.connectionLimits.reconfigure(settings.limits);
    this.#services.messageRate.reconfigure(settings.limits.client_message_rate);
    this.#services.freeSpace.reconfigure(settings.limits.free_space);
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
    for (const stream of this.#handshakes) stream.destroy();
    for (const connection of [...this.#connections]) connection.shutdown();
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
    log.event("listener-opened", { kind: listener.kind, address: formatListenAddress(opened.endpoint) });
  }

  /** Counted before anything is read or written, a handshake included. */
  #accept(stream: Stream, listener: ListenerOptions): void {
    if (this.#stopped !== undefined) return stream.destroy();
    const { connectionLimits, clock, certificates, log } = this.#services;
    const address = addressOf(stream.remote);
    const tls = hasImplicitTls(listener.kind) ? certificates : undefined;
    const openedAtMs = clock.monotonicMs();
    let connection: Connection | undefined;
    let dropped = false;
    const drop = () => {
      dropped = true;
      stream.destroy();
    };
    const admission = connectionLimits.enter({
      address,
      trusted: address !== "" && this.#settings.relayNetworks.contains(address),
      handshake: tls !== undefined,
      drop: (told) => (told ? connection?.makeRoom() : drop()),
      idleSinceMs: () => (connection === undefined ? openedAtMs : connection.idleSinceMs),
    });
    if (admission === undefined) return stream.destroy();
    const begin = () => {
      connection = this.#begin(stream, listener, address, admission);
    };
    if (tls === undefined) return begin();
    this.#handshakes.add(stream);
    // The port bounds the handshake in time, and closes the connection when it fails.
    stream.startTls({ side: "server", ...tls }).then(
      () => {
        this.#handshakes.delete(stream);
        admission.established();
        if (this.#stopped === undefined) return begin();
        admission.leave();
        stream.destroy();
      },
      (error: unknown) => {
        this.#handshakes.delete(stream);
        admission.leave();
        const hint = handshakeHintFor(listener);
        if (!dropped) log.event("session-tls-failed", { client: address, error: String(error), hint });
        stream.destroy();
      },
    );
  }

  #begin(stream: Stream, listener: ListenerOptions, clientAddress: string, admission: Admission): Connection {
    const connection = new Connection({
      stream,
      listener,
      services: this.#services,
      settings: this.#settings,
      clientAddress,
      admission,
      closed: (over) => {
        admission.leave();
        this.#connections.delete(over);
        if (this.#connections.size === 0) this.#allClosed?.();
      },
    });
    this.#connections.add(connection);
    connection.start();
    return connection;
  }

  async #closeListeners(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

/** In normal form: an IPv4 client of a dual-stack socket by its IPv4 address. */
function addressOf(remote: Endpoint): string {
  if (remote.kind === "unix") return "";
  const [plain = ""] = remote.address.split("%", 1);
  return parseIpAddress(plain)?.text ?? plain;
}
