/**
 * A network inside the process: listeners found by endpoint, connections whose octets arrive in later microtasks, and
 * switches for what networks do wrong. Any address exists; a connection where nobody listens is refused.
 */
import type { Endpoint } from "../lib/endpoint.ts";
import {
  NetworkError,
  type Connection,
  type Network,
  type NetworkListener,
  type TlsClientOptions,
} from "../ports/network.ts";
import { type Carrier, MemoryConnection, type PairOptions } from "./memory-connection.ts";
import type { TlsOutcome } from "./memory-handshake.ts";

export type { TlsOutcome } from "./memory-handshake.ts";
export { MemoryConnection } from "./memory-connection.ts";

/**
 * What happens to connections to an endpoint: `refuse` and `unreachable` fail at once, `stall` never answers (until the
 * signal), `reset` connects and is lost in the next turn without the listener hearing of it.
 */
export type ConnectFault = "refuse" | "unreachable" | "stall" | "reset";

export interface MemoryNetworkOptions {
  /** Largest piece handed over at once; default: whole writes. */
  readonly chunkBytes?: number;
  /** Default 64 KiB, as in node. */
  readonly highWaterMark?: number;
  /** For each end of each connection; default: what is sent arrives in a later microtask. */
  readonly carrier?: (from: Endpoint, to: Endpoint) => Carrier;
}

interface Listening {
  readonly endpoint: Endpoint;
  readonly accept: (connection: Connection) => void;
}

type ListenOptions = Parameters<Network["listen"]>[1];
type ConnectOptions = Parameters<Network["connect"]>[1];

export class MemoryNetwork implements Network {
  /** Every connection ever made, client's end, oldest first. */
  readonly connections: MemoryConnection[] = [];
  /** Asked at each handshake; `undefined` establishes TLS with a valid certificate. */
  tlsOutcome: (server: Endpoint, client: TlsClientOptions) => TlsOutcome | undefined = () => undefined;
  readonly #pairOptions: PairOptions;
  readonly #listening = new Map<string, Listening>();
  readonly #faults = new Map<string, { readonly fault: ConnectFault; times: number }>();
  #nextPort = 49_152;

  constructor(options: MemoryNetworkOptions = {}) {
    this.#pairOptions = {
      chunkBytes: options.chunkBytes ?? Number.MAX_SAFE_INTEGER,
      highWaterMark: options.highWaterMark ?? 65_536,
      tlsOutcome: (server, client) => this.tlsOutcome(server, client),
      ...(options.carrier !== undefined && { carrier: options.carrier }),
    };
  }

  /** The next `times` connections to `endpoint` (default: all) fail in this way. */
  fail(endpoint: Endpoint, fault: ConnectFault, times = Number.POSITIVE_INFINITY): void {
    this.#faults.set(key(endpoint), { fault, times });
  }

  /** Ends what {@link fail} began. */
  heal(endpoint: Endpoint): void {
    this.#faults.delete(key(endpoint));
  }

  /** The same network as seen from one address: connections come from it where none is asked for. */
  host(address: string): Network {
    return {
      listen: (endpoint, options) => this.listen(endpoint, options),
      connect: (endpoint, options) => this.connect(endpoint, { localAddress: address, ...options }),
    };
  }

  async listen(endpoint: Endpoint, options: ListenOptions): Promise<NetworkListener> {
    const real = endpoint.kind === "ip" && endpoint.port === 0 ? { ...endpoint, port: this.#nextPort++ } : endpoint;
    const name = key(real);
    if (this.#listening.has(name)) throw new NetworkError("EADDRINUSE", `listen EADDRINUSE: ${name}`);
    const listening: Listening = { endpoint: real, ...options };
    this.#listening.set(name, listening);
    const close = async () => {
      if (this.#listening.get(name) === listening) this.#listening.delete(name);
    };
    return { endpoint: real, close, [Symbol.asyncDispose]: close };
  }

  async connect(endpoint: Endpoint, options: ConnectOptions): Promise<Connection> {
    const { signal } = options;
    await Promise.resolve();
    signal?.throwIfAborted();
    const fault = this.#takeFault(endpoint);
    if (fault === "stall") return await untilAborted(signal);
    if (fault === "unreachable") throw new NetworkError("EHOSTUNREACH", `connect EHOSTUNREACH ${key(endpoint)}`);
    const listening = this.#find(endpoint);
    if (fault === "refuse" || listening === undefined) {
      throw new NetworkError("ECONNREFUSED", `connect ECONNREFUSED ${key(endpoint)}`);
    }
    const [near, far] = MemoryConnection.pair(this.#clientEndpoint(endpoint, options), endpoint, this.#pairOptions);
    this.connections.push(near);
    if (fault === "reset") queueMicrotask(() => near.reset());
    else queueMicrotask(() => listening.accept(far));
    if (options.tls !== undefined) {
      await near.startTls({ side: "client", ...options.tls, ...(signal !== undefined && { signal }) });
    }
    return near;
  }

  #takeFault(endpoint: Endpoint): ConnectFault | undefined {
    const entry = this.#faults.get(key(endpoint));
    if (entry === undefined || entry.times <= 0) return undefined;
    entry.times--;
    return entry.fault;
  }

  #find(endpoint: Endpoint): Listening | undefined {
    const exact = this.#listening.get(key(endpoint));
    if (exact !== undefined || endpoint.kind === "unix") return exact;
    const wildcards = endpoint.address.includes(":") ? ["::"] : ["0.0.0.0", "::"];
    return wildcards
      .map((address) => this.#listening.get(key({ kind: "ip", address, port: endpoint.port })))
      .find((listening) => listening !== undefined);
  }

  #clientEndpoint(server: Endpoint, options: ConnectOptions): Endpoint {
    if (server.kind === "unix") return { kind: "unix", path: "" };
    const loopback = server.address.includes(":") ? "::1" : "127.0.0.1";
    return { kind: "ip", address: options.localAddress ?? loopback, port: this.#nextPort++ };
  }
}

function key(endpoint: Endpoint): string {
  return endpoint.kind === "unix" ? `unix:${endpoint.path}` : `[${endpoint.address.toLowerCase()}]:${endpoint.port}`;
}

function untilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
