/**
 * DNS from a table. A name that has records of another type answers no-data, an unknown one no-name; CNAMEs are
 * followed. Every query is remembered, so that a test can state what was not asked.
 */
import type { DnsAnswer, RecordType, RecordTypes, Resolver } from "../ports/resolver.ts";

type Zone = { -readonly [T in RecordType]?: readonly RecordTypes[T][] };

export interface StaticResolverOptions {
  /** The AD bit of every answer. */
  readonly secure?: boolean;
  readonly ttlSeconds?: number;
}

/** As many links as the real resolver follows. */
const cnameLinksMax = 8;

export class StaticResolver implements Resolver {
  /** `MX example.org`, in the order asked; names as asked, in lower case. */
  readonly queries: string[] = [];
  readonly #zones = new Map<string, Zone>();
  readonly #failures = new Map<string, string>();
  readonly #gates = new Map<string, Promise<void>>();
  readonly #secure: boolean;
  readonly #ttlSeconds: number;

  constructor(options: StaticResolverOptions = {}) {
    this.#secure = options.secure ?? false;
    this.#ttlSeconds = options.ttlSeconds ?? 300;
  }

  /** Adds records; without any, the name merely exists (no-data). */
  add<T extends RecordType>(name: string, type: T, ...records: RecordTypes[T][]): this {
    const zone: Zone = this.#zones.get(name.toLowerCase()) ?? {};
    if (records.length > 0) {
      const known = (zone[type] ?? []) as readonly RecordTypes[T][];
      (zone as { [K in T]?: readonly RecordTypes[K][] })[type] = [...known, ...records];
    }
    this.#zones.set(name.toLowerCase(), zone);
    return this;
  }

  /** Adds MX records written as `10 mx.example.org`; `0 .` is the null MX. */
  addMx(name: string, ...records: string[]): this {
    const parsed = records.map((record) => {
      const [preference = "", exchange = ""] = record.split(" ");
      return { preference: Number(preference), exchange: exchange.toLowerCase().replace(/\.$/, "") };
    });
    return this.add(name, "MX", ...parsed);
  }

  /** Every query for the name (and type) fails for now, until {@link heal}. */
  fail(name: string, type?: RecordType, reason = "SERVFAIL"): this {
    this.#failures.set(type === undefined ? name.toLowerCase() : queryKey(name, type), reason);
    return this;
  }

  heal(name: string, type?: RecordType): this {
    this.#failures.delete(type === undefined ? name.toLowerCase() : queryKey(name, type));
    return this;
  }

  /** Queries for the name and type wait for `gate`. */
  hold(name: string, type: RecordType, gate: Promise<void>): this {
    this.#gates.set(queryKey(name, type), gate);
    return this;
  }

  /** Forgets a name: no-name from here on. */
  remove(name: string): this {
    this.#zones.delete(name.toLowerCase());
    return this;
  }

  /** What stands under the name itself, CNAMEs not followed; undefined: no such name. */
  recordsOf(name: string): Readonly<Zone> | undefined {
    return this.#zones.get(name.toLowerCase());
  }

  async query<T extends RecordType>(
    name: string,
    type: T,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<DnsAnswer<T>> {
    this.queries.push(queryKey(name, type));
    await (this.#gates.get(queryKey(name, type)) ?? Promise.resolve());
    if (options.signal?.aborted) return { kind: "failure", reason: "aborted" };
    let owner = name.toLowerCase();
    for (let link = 0; link <= cnameLinksMax; link++) {
      const reason = this.#failures.get(queryKey(owner, type)) ?? this.#failures.get(owner);
      if (reason !== undefined) return { kind: "failure", reason };
      const zone = this.#zones.get(owner);
      if (zone === undefined) return { kind: "no-name", secure: this.#secure };
      const records = zone[type] as readonly RecordTypes[T][] | undefined;
      if (records !== undefined) {
        return { kind: "records", records, name: owner, ttlSeconds: this.#ttlSeconds, secure: this.#secure };
      }
      const target = zone.CNAME?.[0];
      if (target === undefined) return { kind: "no-data", secure: this.#secure };
      owner = target.toLowerCase();
    }
    return { kind: "failure", reason: "too many CNAMEs" };
  }
}

function queryKey(name: string, type: RecordType): string {
  return `${type} ${name.toLowerCase()}`;
}
