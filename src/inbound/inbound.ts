/** Receiving as a whole: opens the listeners, admits clients, and ends their sessions when the server stops. */
import { parseIpAddress } from "../address/ip-address.ts";
import { formatListenAddress } from "../lib/setting-types.ts";
import type { Connection as Stream, Endpoint, NetworkListener } from "../ports/network.ts";
import { Connection } from "./connection.ts";
import { checkListener, hasImplicitTls, type ListenerOptions } from "./listener-options.ts";
import type { InboundServices, InboundSettings } from "./services.ts";

export class Inbound {
  readonly #services: InboundServices;
  readonly #listeners: NetworkListener[] = [];
  readonly #connections = new Set<Connection>();
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
    const { network, certificates, log } = this.#services;
    const tls = hasImplicitTls(listener.kind) ? certificates : undefined;
    const opened = await network.listen(listener.endpoint, {
      ...(tls === undefined ? undefined : { tls }),
      accept: (stream) => this.#accept(stream, listener),
    });
    this.#listeners.push(opened);
    log.event("listener-opened", { kind: listener.kind, address: formatListenAddress(opened.endpoint) });
  }

  #accept(stream: Stream, listener: ListenerOptions): void {
    if (this.#stopped !== undefined) return stream.destroy();
    const { connectionLimits, clock } = this.#services;
    const settings = this.#settings;
    const clientAddress = addressOf(stream.remote);
    const trusted = clientAddress !== "" && settings.relayNetworks.contains(clientAddress);
    const connection = new Connection({
      stream,
      listener,
      services: this.#services,
      settings,
      clientAddress,
      admission: connectionLimits.open(clientAddress, trusted, clock.now()),
      closed: (over) => {
        connectionLimits.close(clientAddress, trusted);
        this.#connections.delete(over);
        if (this.#connections.size === 0) this.#allClosed?.();
      },
    });
    this.#connections.add(connection);
    connection.start();
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
