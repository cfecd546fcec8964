/**
 * Which hosts are this server itself, and which addresses no MX may name. Mail that goes to ourselves by MX would come
 * back forever (RFC 5321 §5.1), and an MX on a private address lets anyone aim our deliveries at our own network.
 */
import { isLoopback, isPrivate, parseIpAddress, type IpAddress } from "../address/ip-address.ts";

export interface OwnHosts {
  /** Host names of this server, A-labels in lower case. */
  readonly names: readonly string[];
  /** Where it listens; `::` and `0.0.0.0` stand for every address of the machine. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  /** Addresses of the machine's interfaces, asked each time since they come and go. */
  readonly interfaceAddresses: () => readonly string[];
}

export type AddressKind = "usable" | "own" | "private";

/** Judges addresses for connections to `port`; made once for a look-up. */
export class AddressJudge {
  readonly #allowPrivate: boolean;
  readonly #ownAddresses = new Set<string>();
  #everyLoopback = false;

  constructor(own: OwnHosts, port: number, allowPrivate: boolean) {
    this.#allowPrivate = allowPrivate;
    for (const listener of own.listeners) {
      if (listener.port !== port) continue;
      const address = parseIpAddress(listener.address);
      if (address === undefined) continue;
      this.#ownAddresses.add(address.text);
      if (!address.octets.every((octet) => octet === 0)) continue;
      this.#everyLoopback = true;
      for (const text of own.interfaceAddresses()) {
        this.#ownAddresses.add(parseIpAddress(text.split("%", 1)[0] ?? "")?.text ?? text);
      }
    }
  }

  judge(address: IpAddress): AddressKind {
    const loopback = isLoopback(address);
    if (this.isOwn(address)) return "own";
    return !this.#allowPrivate && (loopback || isPrivate(address)) ? "private" : "usable";
  }

  /** Whether one of our listeners would answer there. */
  isOwn(address: IpAddress): boolean {
    return this.#ownAddresses.has(address.text) || (this.#everyLoopback && isLoopback(address));
  }
}
