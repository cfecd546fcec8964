/**
 * DNS as a fuzzer writes it: a line for each record, `name TYPE data`. What the lines do not say does not exist, a name
 * with `FAIL` gives no answer. Queries are counted against a bound; names that cannot be asked do not exist.
 */
import assert from "node:assert/strict";
import type { DnsAnswer, RecordType, RecordTypes, Resolver } from "../../src/ports/resolver.ts";

export class ZoneText implements Resolver {
  queries = 0;
  readonly #queriesMax: number;
  readonly #lines: readonly { readonly name: string; readonly type: string; readonly data: string }[];

  constructor(text: string, { queriesMax }: { readonly queriesMax: number }) {
    this.#queriesMax = queriesMax;
    this.#lines = text.split("\n", 200).map((line) => {
      const [name = "", type = ""] = line.split(" ", 2);
      return { name: name.toLowerCase(), type, data: line.slice(name.length + type.length + 2) };
    });
  }

  query<T extends RecordType>(asked: string, type: T): Promise<DnsAnswer<T>> {
    assert.ok(++this.queries <= this.#queriesMax, `more than ${this.#queriesMax} queries`);
    if (asked.length > 253 || !/^[\x20-\x7e]+$/.test(asked)) {
      // Hosts that MX and PTR records name may be anything; all else is a name by then.
      assert.ok(type === "A" || type === "AAAA", JSON.stringify(asked));
      return Promise.resolve({ kind: "no-name", secure: false });
    }
    const name = asked.toLowerCase();
    // `*` is every name, so that a record can lead from each to the next.
    const lines = this.#lines.filter((line) => line.name === name || line.name === "*");
    if (lines.some((line) => line.type === "FAIL")) return Promise.resolve({ kind: "failure", reason: "SERVFAIL" });
    const records = lines
      .filter((line) => line.type === type)
      .map((line) => (type === "MX" ? { preference: 1, exchange: line.data } : line.data) as RecordTypes[T]);
    if (records.length > 0) {
      return Promise.resolve({ kind: "records", records, name, ttlSeconds: 60, secure: false });
    }
    return Promise.resolve({ kind: lines.length > 0 ? "no-data" : "no-name", secure: false });
  }
}
