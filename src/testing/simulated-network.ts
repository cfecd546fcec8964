/**
 * A network in simulated time: what is sent arrives after a while, in order within a connection and in any order between
 * connections; paths to an address can lose everything, come back, or cut their connections. All chance is from a seed.
 */
import type { Clock } from "../ports/clock.ts";
import type { Endpoint } from "../lib/endpoint.ts";
import { NetworkError, type Connection, type Network } from "../ports/network.ts";
import type { Random } from "../ports/random.ts";
import type { MemoryConnection } from "./memory-connection.ts";
import { MemoryNetwork } from "./memory-network.ts";

export interface SimulatedNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Of one way, drawn anew for each delivery. */
  readonly latencyMs: { readonly least: number; readonly most: number };
  /** Most octets handed over at once; 1 makes every read a tiny one. */
  readonly chunkBytes?: number;
}

export class SimulatedNetwork implements Network {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: SimulatedNetworkOptions;
  readonly #inner: MemoryNetwork;
  /**
   * Addresses that nothing reaches and that reach nothing, with what goes on when the path is back: what was under way
   * then arrives after all, as retransmission would have it.
   */
  readonly #cut = new Map<string, (() => void)[]>();
  /** Factor on latency, by address. */
  readonly #slow = new Map<string, number>();

  constructor(options: SimulatedNetworkOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#options = options;
    this.#inner = new MemoryNetwork({
      ...(options.chunkBytes !== undefined && { chunkBytes: options.chunkBytes }),
      carrier: (from, to) => this.#carrier(addressOf(from), addressOf(to)),
    });
  }

  get tlsOutcome() {
    return this.#inner.tlsOutcome;
  }

  set tlsOutcome(outcome: MemoryNetwork["tlsOutcome"]) {
    this.#inner.tlsOutcome = outcome;
  }

  listen(...given: Parameters<Network["listen"]>): ReturnType<Network["listen"]> {
    return this.#inner.listen(...given);
  }

  async connect(endpoint: Endpoint, options: Parameters<Network["connect"]>[1]): Promise<Connection> {
    const { signal, localAddress = "" } = options;
    const address = addressOf(endpoint);
    if (this.#cut.has(address) || this.#cut.has(localAddress)) {
      // No answer at all: until someone loses patience, or the system does.
      await this.#clock.sleep(130_000, signal === undefined ? {} : { signal });
      throw new NetworkError("ETIMEDOUT", `connect ETIMEDOUT ${address}`);
    }
    await this.#clock.sleep(2 * this.#latency(address), signal === undefined ? {} : { signal });
    return await this.#inner.connect(endpoint, options);
  }

  /** Nothing reaches the address, and nothing leaves it, until {@link SimulatedNetwork.join}. */
  cut(address: string): void {
    if (!this.#cut.has(address)) this.#cut.set(address, []);
  }

  join(address: string): void {
    const held = this.#cut.get(address) ?? [];
    this.#cut.delete(address);
    for (const goOn of held) goOn();
  }

  /** What is sent to or from the address takes `factor` times as long; 1 ends it. */
  slow(address: string, factor: number): void {
    if (factor === 1) this.#slow.delete(address);
    else this.#slow.set(address, factor);
  }

  /** Connections of the address, open ones. */
  connectionsOf(address: string): readonly MemoryConnection[] {
    return this.#inner.connections.filter(
      ({ local, remote, isClosed }) => !isClosed && [addressOf(local), addressOf(remote)].includes(address),
    );
  }

  /** Every connection of the address is reset, and both ends hear of it. */
  reset(address: string): void {
    for (const connection of this.connectionsOf(address)) connection.reset();
  }

  /** Forgets connections that are closed, of which a long run makes many. */
  forgetClosed(): void {
    const { connections } = this.#inner;
    for (let at = connections.length - 1; at >= 0; at--)
      if (connections[at]?.isClosed === true) connections.splice(at, 1);
  }

  #carrier(from: string, to: string): (deliver: () => void) => void {
    /** What was sent later never arrives earlier. */
    let last = 0;
    const sent: (() => void)[] = [];
    /** Once for each that was sent; whichever ends first hands over the oldest. */
    const travel = (): void => {
      if (this.#waitForPath(from, to, travel)) return;
      const now = this.#clock.monotonicMs();
      last = Math.max(last, now + this.#latency(from === "" ? to : from));
      this.#clock.setTimer(last - now, () => {
        // Lost on the way: it is sent again when the path is back.
        if (!this.#waitForPath(from, to, travel)) sent.shift()?.();
      });
    };
    return (deliver) => {
      sent.push(deliver);
      travel();
    };
  }

  #waitForPath(from: string, to: string, goOn: () => void): boolean {
    const held = this.#cut.get(from) ?? this.#cut.get(to);
    held?.push(goOn);
    return held !== undefined;
  }

  #latency(address: string): number {
    const { least, most } = this.#options.latencyMs;
    return (least + this.#random.next() * (most - least)) * (this.#slow.get(address) ?? 1);
  }
}

function addressOf(endpoint: Endpoint): string {
  return endpoint.kind === "ip" ? endpoint.address : endpoint.path;
}
