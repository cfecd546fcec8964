/**
 * Notices that something between the clients and this server hides their addresses: a container's bridge, or a gateway that
 * translates addresses. Then every outside peer of the mx listeners seems to be one private address.
 *
 * Owns the verdict: it is reached by enough sessions of one private address that give several names in EHLO, while nobody
 * else came for a day. Loopback, `relay.networks`, and clients that a proxy names say nothing about it, and are never hidden by
 * it. One session from elsewhere ends it.
 */
import { isLoopback, isPrivate, parseIpAddress } from "../address/ip-address.ts";
import { asciiLowerCase } from "../lib/ascii-case.ts";
import type { IpNetworkList } from "../lib/ip-network.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { Peer } from "./proxy-headers.ts";

/** A busy public mail server has this many sessions within an hour, a quiet one within a day. */
const sessionsMin = 30;
/** A single host gives one name, or a few. A name has at most 255 characters. */
const namesMin = 5;
/** Who was visible today shows that others would be. */
const visibleMs = 86_400_000;

export class ClientVisibility {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #log: Log;
  /** The only address seen lately, how many sessions it opened, and the names that it gave. */
  #address: string | undefined;
  #sessions = 0;
  readonly #names = new Set<string>();
  #hidden = false;
  #visibleUntilMs = -Infinity;

  constructor({ clock, log }: { readonly clock: Pick<Clock, "monotonicMs">; readonly log: Log }) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Whether the addresses of clients are hidden. */
  get isHidden(): boolean {
    return this.#hidden;
  }

  /** The peer, without trust in its address where that stands for everybody. */
  judged(peer: Peer, relayNetworks: IpNetworkList): Peer {
    const stands = this.#hidden && peer.address === this.#address && peer.proxy === undefined;
    return stands && !relayNetworks.contains(peer.address) ? { ...peer, hidden: true } : peer;
  }

  /** A peer of an mx listener has given its name in EHLO. */
  note({ address, proxy }: Peer, name: string, relayNetworks: IpNetworkList): void {
    const parsed = parseIpAddress(address);
    if (proxy !== undefined || parsed === undefined || isLoopback(parsed) || relayNetworks.contains(address)) return;
    const now = this.#clock.monotonicMs();
    if (!isPrivate(parsed) || (this.#address !== undefined && this.#address !== address)) return this.#seen(now);
    this.#address = address;
    if (this.#hidden || now < this.#visibleUntilMs) return;
    this.#sessions++;
    if (this.#names.size < namesMin) this.#names.add(asciiLowerCase(name));
    if (this.#sessions < sessionsMin || this.#names.size < namesMin) return;
    this.#hidden = true;
    this.#log.event("client-addresses-hidden", { client: address, sessions: this.#sessions });
  }

  /** Somebody came from another address. */
  #seen(now: number): void {
    if (this.#hidden) this.#log.event("client-addresses-visible", { client: this.#address ?? "" });
    this.#address = undefined;
    this.#sessions = 0;
    this.#names.clear();
    this.#hidden = false;
    this.#visibleUntilMs = now + visibleMs;
  }
}
