/**
 * What DNS says about a receiver, and how that changes: MX names that come and go, a machine that gets another address,
 * names that are aliases, a spare host where nobody is. As administrators do, a name that is replaced stays for as long as
 * somebody may have it in a cache; the old address goes on answering for that long, or refuses at once.
 */
import type { Clock } from "../../src/ports/clock.ts";
import type { SimulatedDns } from "../../src/testing/simulated-dns.ts";
import type { Chance } from "./chance.ts";

const minuteMs = 60_000;
/** Zero: nobody may keep it. */
const ttls = [0, 5, 60, 300, 1800, 3600, 14_400] as const;
/** Behind its TTL a record may be kept by a route that was looked up then, and by mail that waits its turn on it. */
export const staleSlackMs = 10 * minuteMs;

export interface Change {
  /** From then on DNS says something else, in monotonic time. */
  readonly from: number;
  /** By then nobody knows what it said before. */
  readonly to: number;
  /** That was given up, if one was. */
  readonly address?: string;
  /** It was given up at once: who has not heard of the change is refused. */
  readonly refuses: boolean;
}

export interface ReceiverNamesOptions {
  readonly domain: string;
  readonly address: string;
  readonly dns: SimulatedDns;
  readonly clock: Clock;
  readonly chance: Chance;
  /** The machine is to be found at this address from now on, too. */
  readonly takeAddress: (address: string) => void;
  readonly leaveAddress: (address: string) => void;
}

export class ReceiverNames {
  readonly changes: Change[] = [];
  readonly #options: ReceiverNamesOptions;
  /** Of the MX records, and of the addresses. */
  readonly #ttlSeconds: { readonly mx: number; readonly host: number };
  #address: string;
  /** Newest first; the newest three are MX hosts. */
  #hosts: readonly string[];
  #aliased = false;
  #hasSpare = false;

  constructor(options: ReceiverNamesOptions) {
    const { domain, address, dns, chance } = options;
    this.#options = options;
    this.#ttlSeconds = { mx: chance.pick(ttls), host: chance.pick(ttls) };
    this.#address = address;
    this.#hosts = [`mx.${domain}`];
    // It wants to hear about mail in its name.
    dns.records.add(`_dmarc.${domain}`, "TXT", `v=DMARC1; p=none; rua=mailto:dmarc@${domain}`);
    this.#write();
  }

  /** The machine gets another address, another name, or both. */
  move(): void {
    const { domain, chance } = this.#options;
    const [renamed, renumbered] = chance.pick([
      [true, false],
      [false, true],
      [true, true],
    ] as const);
    if (renamed) this.#hosts = [`mx${this.#hosts.length}.${domain}`, ...this.#hosts];
    this.#change(renumbered);
  }

  /** Something else about it: a spare host, where nobody is, comes or goes; its names become aliases, or no longer are. */
  rearrange(): void {
    if (this.#options.chance.is(0.5)) this.#hasSpare = !this.#hasSpare;
    else this.#aliased = !this.#aliased;
    this.#change(false);
  }

  #change(renumbered: boolean): void {
    const { chance, clock, takeAddress, leaveAddress } = this.#options;
    const from = clock.monotonicMs();
    const staleMs = (this.#ttlSeconds.mx + this.#ttlSeconds.host) * 1000 + staleSlackMs;
    const former = this.#address;
    const refuses = renumbered && chance.is(0.3);
    if (renumbered) {
      this.#address = `198.51.${101 + this.changes.length}.${former.split(".")[3] ?? ""}`;
      takeAddress(this.#address);
      if (refuses) leaveAddress(former);
      else clock.setTimer(staleMs, () => leaveAddress(former));
    }
    this.changes.push({ from, to: from + staleMs, refuses, ...(renumbered && { address: former }) });
    this.#write();
  }

  /** All of them have the address; the names of former times go on leading to the machine. */
  #write(): void {
    const { domain, dns } = this.#options;
    const { records } = dns;
    const spare = this.#hasSpare ? [`90 spare.${domain}`] : [];
    const hosts = this.#hosts.slice(0, 3).map((host, index) => `${10 + 10 * index} ${host}`);
    records.remove(domain);
    records.addMx(domain, ...hosts, ...spare);
    dns.setTtl(domain, this.#ttlSeconds.mx);
    const real = `machine.${domain}`;
    for (const name of [...this.#hosts, `spare.${domain}`, real]) {
      records.remove(name);
      dns.setTtl(name, this.#ttlSeconds.host);
    }
    for (const host of this.#hosts) {
      if (this.#aliased) records.add(host, "CNAME", real);
      else records.add(host, "A", this.#address);
    }
    records.add(real, "A", this.#address);
    // Nobody listens there.
    if (this.#hasSpare) records.add(`spare.${domain}`, "A", "203.0.113.99");
  }
}
