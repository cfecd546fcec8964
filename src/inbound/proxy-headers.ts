/**
 * Whose connection it is that was accepted: the other end's own, or that of a client for whom a listed proxy speaks by a PROXY
 * header. A listed proxy must send one, since a connection of its without a header would be taken for the proxy's own;
 * nobody else may. What is refused here is closed without a reply, because no session has begun.
 */
import { parseIpAddress } from "../address/ip-address.ts";
import { errorText } from "../lib/error-text.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Connection, Endpoint } from "../ports/network.ts";
import { type ProxyFault, type ProxyHeader, readProxyHeader } from "../smtp/proxy-header.ts";
import type { ProxyTls } from "../smtp/proxy-tlvs.ts";
import type { ListenerOptions } from "./listener-options.ts";

/**
 * A proxy sends its header with its first octets. The protocol asks receivers to wait for three seconds at least, for a
 * segment that is lost (proxy-protocol.txt §2).
 */
const headerMs = 10_000;
/** Connections that may wait for their header at once, 10 KB each; then the one that has waited longest is closed. */
const waitingMax = 1000;

export interface Peer {
  /** In normal form; "" for a unix socket. */
  readonly address: string;
  /** Address the client connected to; undefined for a unix socket. */
  readonly ourAddress: string | undefined;
  /** A proxy stands between, which has not said whose connection it is: `address` is the proxy's. */
  readonly hidden?: true;
  /** The proxy that passes the connection on, and what it has told of it. */
  readonly proxy?: { readonly address: string; readonly tls?: ProxyTls; readonly serverName?: string };
  /** The proxy speaks SMTP, and named the client by XCLIENT: TLS, its certificate too, is the proxy's. */
  readonly xclient?: true;
}

type RefusalReason = ProxyFault | "not-listed" | "timeout" | "lost" | "too-many";

export class ProxyHeaders {
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #log: Log;
  /** In the order of arrival, with why each was closed. */
  readonly #waiting = new Map<Connection, RefusalReason | undefined>();

  constructor({ clock, log }: { readonly clock: Pick<Clock, "setTimer">; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** undefined: the connection was closed. Never rejects. */
  peerOf(stream: Connection, { proxy, kind }: ListenerOptions): Peer | undefined | Promise<Peer | undefined> {
    const address = addressOf(stream.remote);
    if (proxy === undefined) return ownPeer(stream, address);
    if (proxy.from.contains(address)) return this.#read(stream, address, kind);
    if (!proxy.required) return ownPeer(stream, address);
    return this.#refuse(stream, address, { listener: kind, reason: "not-listed" });
  }

  /** Closes what waits: no session begins any more. */
  close(): void {
    for (const stream of [...this.#waiting.keys()]) stream.destroy();
  }

  async #read(stream: Connection, address: string, listener: string): Promise<Peer | undefined> {
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined && this.#waiting.size >= waitingMax) this.#giveUp(oldest, "too-many");
    this.#waiting.set(stream, undefined);
    const timer = this.#clock.setTimer(headerMs, () => this.#giveUp(stream, "timeout"));
    let found: ProxyHeader | ProxyFault | undefined;
    try {
      await stream.readPreface((octets) => {
        const reading = readProxyHeader(octets);
        if (reading.kind === "incomplete") return undefined;
        found = reading.kind === "header" ? reading.header : reading.fault;
        return reading.kind === "header" ? reading.length : 0;
      });
    } catch (error) {
      const reason = this.#waiting.get(stream) ?? "lost";
      return this.#refuse(stream, address, { listener, reason, error: errorText(error) });
    } finally {
      timer.cancel();
      this.#waiting.delete(stream);
    }
    if (typeof found !== "object") return this.#refuse(stream, address, { listener, reason: found ?? "lost" });
    return proxiedPeer(stream, address, found);
  }

  #giveUp(stream: Connection, reason: RefusalReason): void {
    this.#waiting.set(stream, reason);
    stream.destroy();
  }

  #refuse(
    stream: Connection,
    client: string,
    { listener, reason, error }: { readonly listener: string; readonly reason: RefusalReason; readonly error?: string },
  ): undefined {
    this.#log.event("proxy-header-refused", { client, listener, reason, error });
    stream.destroy();
  }
}

function ownPeer({ local }: Connection, address: string): Peer {
  return { address, ourAddress: local.kind === "ip" ? local.address : undefined };
}

function proxiedPeer(stream: Connection, address: string, header: ProxyHeader): Peer {
  if (header.kind === "local") return ownPeer(stream, address);
  const { tls, serverName } = header;
  const proxy = { address, ...(tls && { tls }), ...(serverName !== undefined && { serverName }) };
  if (header.kind === "unknown") return { ...ownPeer(stream, address), hidden: true, proxy };
  return { address: header.client.address, ourAddress: header.server.address, proxy };
}

/** In normal form: an IPv4 client of a dual-stack socket by its IPv4 address. */
function addressOf(remote: Endpoint): string {
  if (remote.kind === "unix") return "";
  const [plain = ""] = remote.address.split("%", 1);
  return parseIpAddress(plain)?.text ?? plain;
}
