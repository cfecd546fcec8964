/**
 * DNS in simulated time over a table of records: answers take a while, and for a time names fail, or all of them. Records
 * may change while the simulation runs; nothing is cached here.
 */
import type { Clock } from "../ports/clock.ts";
import type { DnsAnswer, RecordType, Resolver } from "../ports/resolver.ts";
import type { Random } from "../ports/random.ts";
import { StaticResolver } from "./static-resolver.ts";

export class SimulatedResolver implements Resolver {
  readonly records = new StaticResolver({ secure: true });
  /** Chance that a query fails after a second, as if every server were silent. */
  silence = 0;
  /** Of one answer. */
  latencyMs = { least: 1, most: 30 };
  readonly #clock: Clock;
  readonly #random: Random;

  constructor({ clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  async query<T extends RecordType>(
    name: string,
    type: T,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<DnsAnswer<T>> {
    const { least, most } = this.latencyMs;
    const silent = this.#random.next() < this.silence;
    const delayMs = silent ? 1000 : least + this.#random.next() * (most - least);
    try {
      await this.#clock.sleep(delayMs, options);
    } catch {
      return { kind: "failure", reason: "aborted" };
    }
    if (silent) return { kind: "failure", reason: "no server answered" };
    return await this.records.query(name, type, options);
  }
}
