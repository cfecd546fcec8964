/** What domains publish for SPF: records and explanations, with a DNS that says the same for every name. */
import assert from "node:assert/strict";
import type { DnsAnswer, RecordType, RecordTypes, Resolver } from "../../../src/ports/resolver.ts";
import { allDescriptions, describeSpf } from "../../../src/spf/describe.ts";
import { parseSpfRecord } from "../../../src/spf/record.ts";
import { checkHost } from "../../../src/spf/spf.ts";
import { texts } from "../seeds.ts";
import type { FuzzTarget } from "../target.ts";

/** Eleven records; ten terms with eleven queries each, and the client's names with eleven, and the explanation. */
const queriesMax = 133;
const clients = ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] as const;

class SameAnswer implements Resolver {
  queries = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  query<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    this.queries++;
    assert.ok(name.length <= 253 && /^[\x20-\x7e]+$/.test(name), JSON.stringify(name));
    const answers: { readonly [K in RecordType]?: readonly RecordTypes[K][] } = {
      TXT: [this.#text],
      MX: [{ preference: 10, exchange: "mx.example.org" }],
      PTR: ["mail.example.org"],
      // Some names have addresses, some have none.
      ...(name.length % 3 === 0 ? {} : { A: ["192.0.2.9"], AAAA: ["2001:db8::9"] }),
    };
    const records = answers[type] as readonly RecordTypes[T][] | undefined;
    if (records === undefined) return Promise.resolve({ kind: "no-data", secure: false });
    return Promise.resolve({ kind: "records", records, name, ttlSeconds: 60, secure: false });
  }
}

const record: FuzzTarget = {
  name: "spf-record",
  family: "SPF",
  seeds: () =>
    texts(
      "v=spf1 -all",
      "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a mx/24//64 a:mail.example.org/8 ~all",
      "v=spf1 include:_spf.example.org exists:%{ir}.%{l1r-}._spf.%{d2} ptr:example.org redirect=%{d}.example.org",
      "v=spf1 exp=why.%{o} x-other=%{c} ?exists:%{S}.%{H}.%{v}.%{p}.example -all",
      "v=spf1 a:%%.%_.%-.example.xn--p1ai mx:foo:bar/baz.example.com //128",
    ),
  words: [
    ..."v=spf1| |+|-|~|?|all|include:|a|a:|mx|mx:|ptr|ptr:|ip4:|ip6:|exists:|redirect=|exp=|x=|example.org".split("|"),
    ..."%{|}|%%|%_|%-|%{s}|%{l1r+-}|%{d}|%{i}|%{p}|%{v}|%{h}|%{c}|%{r}|%{t}|%{S}|%{ir}|%{d0}|%{d99999999999}".split(
      "|",
    ),
    ..."/|//|/0|/32|//128|/33|192.0.2.1|2001:db8::|::ffff:192.0.2.1|:|=|.|..|\0|\t|\xff|\xe2\x80\x8b".split("|"),
  ],
  bytesMax: 2048,
  async run(input) {
    const given = input.toString("utf8");
    // Mutations seldom leave the version whole; what stands behind it is what matters.
    const text = input.length % 4 === 0 ? given : `v=spf1 ${given.replace(/^v=spf1 /, "")}`;
    const clientAddress = clients[input.length % clients.length] ?? clients[0];
    const sender = { localPart: input.length % 5 === 0 ? "jürg" : "strong-bad+x", domain: "example.org" };
    const query = { clientAddress, domain: "example.org", sender, hello: "[192.0.2.1]", identity: "mailfrom" } as const;
    const resolver = new SameAnswer(text);
    const outcome = await checkHost(query, { resolver, now: 0 });
    assert.ok(resolver.queries <= queriesMax, `${resolver.queries} queries`);
    assert.ok(outcome.lookups <= 10 && outcome.voidLookups <= 2);
    assert.ok(outcome.reason !== "" && outcome.reason.length <= 300);
    if (outcome.explanation !== undefined) assert.match(outcome.explanation, /^[\x20-\x7e]{0,250}$/);
    if (outcome.result !== "none" && "problem" in parseSpfRecord(text)) assert.equal(outcome.result, "permerror");
    for (const { problems, state } of allDescriptions(await describeSpf(new SameAnswer(text), "example.org"))) {
      assert.ok(state === "valid" || problems.length > 0);
    }
  },
};

export const spfTargets: readonly FuzzTarget[] = [record];
