/** What domains publish for SPF: records and explanations, with a DNS that says the same for every name. */
import assert from "node:assert/strict";
import type { DnsAnswer, RecordType, RecordTypes, Resolver } from "../../../src/ports/resolver.ts";
import { allDescriptions, describeSpf } from "../../../src/spf/describe.ts";
import { parseClient } from "../../../src/spf/client-address.ts";
import { expandName, expandText, parseMacroString, type MacroValues } from "../../../src/spf/macro.ts";
import { parseIpAddress } from "../../../src/address/ip-address.ts";
import { ZoneText } from "../zone-text.ts";
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
      ...(name.length % 3 !== 0 && { A: ["192.0.2.9"], AAAA: ["2001:db8::9"] }),
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
  stretchMax: 64 * 1024,
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

/** A whole zone, whose records lead to each other. */
const evaluation: FuzzTarget = {
  name: "spf-evaluation",
  family: "SPF",
  // Domain, local-part, HELO and client, and then a zone.
  seeds: () =>
    texts(
      "a.test|ann|mx.a.test|192.0.2.1\na.test TXT v=spf1 include:b.test -all\nb.test TXT v=spf1 redirect=a.test\n",
      "a.test|x-y.z|h.test|2001:db8::1\n* TXT v=spf1 include:%{l1r-}.%{d2}.a.test mx ptr ?all exp=%{h}\n* MX a.test\n* PTR a.test\n",
      "a.test||a.test|::ffff:192.0.2.1\na.test TXT v=spf1 exists:%{ir}.%{v}.x.test a:b.test//64 ~all\nb.test AAAA 2001:db8::1\n*.x.test A 127.0.0.2\n",
    ),
  words: [
    ...record.words,
    "\n",
    "|",
    "a.test",
    "b.test",
    "* ",
    " TXT ",
    " A ",
    " AAAA ",
    " MX ",
    " PTR ",
    " FAIL",
    "* TXT v=spf1 ",
  ],
  bytesMax: 2048,
  stretchMax: 64 * 1024,
  async run(input) {
    const text = input.toString("latin1");
    const [head = ""] = text.split("\n", 1);
    const [domain = "", localPart = "", hello = "", given = ""] = head.split("|");
    const clientAddress = parseIpAddress(given)?.text ?? "192.0.2.1";
    const resolver = new ZoneText(text.slice(head.length + 1), { queriesMax });
    const query = { clientAddress, domain, sender: { localPart, domain }, hello, identity: "mailfrom" } as const;
    const outcome = await checkHost(query, { resolver, now: 0 });
    assert.ok(outcome.lookups <= 10 && outcome.voidLookups <= 2);
    assert.ok(outcome.reason !== "" && outcome.reason.length <= 300);
    if (outcome.result === "none" || outcome.result === "permerror") return;
    // With the whole of the zone gone, nobody may be let in.
    const nothing = await checkHost(query, { resolver: new ZoneText("", { queriesMax }), now: 0 });
    assert.equal(nothing.result, "none");
  },
};

const macros: FuzzTarget = {
  name: "spf-macros",
  family: "SPF",
  seeds: () =>
    texts(
      "%{ir}.%{v}._spf.%{d2}",
      "%{l1r+-}.%{S}.%%%_%-x.test",
      "%{d99}%{o0}",
      "See http://%{d}/?s=%{S}&i=%{C}&t=%{t}&r=%{R}",
    ),
  words: [...record.words, ".", "..", "%{l255r.-+,/_=}", "%{D2R}", "%{H}", "x".repeat(64), "\xf0\x9f\x98\x80"],
  bytesMax: 1024,
  stretchMax: 64 * 1024,
  run(input) {
    const text = input.toString("utf8");
    const client = parseClient(clients[input.length % clients.length] ?? "");
    assert.ok(client !== undefined);
    const values: MacroValues = {
      localPart: input.length % 3 === 0 ? "a.b-c+d" : "j\u00fc\ud800",
      senderDomain: `${"l.".repeat(input.length % 120)}example.org`,
      client,
      hello: "mail.example.org",
      clientName: () => "unknown",
      receiverName: "mx.test",
      now: 1_700_000_000_000,
    };
    for (const use of ["name", "text"] as const) {
      const parsed = parseMacroString(text, use);
      if (typeof parsed === "string") continue;
      const whole = expandText(parsed, "d.example.org", values, Number.POSITIVE_INFINITY);
      assert.ok(whole.startsWith(expandText(parsed, "d.example.org", values, 250).slice(0, 250)));
      if (use === "text") continue;
      const name = expandName(parsed, "d.example.org", values);
      if (name === undefined) continue;
      assert.ok(name.length >= 1 && name.length <= 253 && !name.endsWith("."));
      assert.ok(name.split(".").every((label) => label.length >= 1 && label.length <= 63));
      // A cut is one between labels.
      const plain = whole.endsWith(".") ? whole.slice(0, -1) : whole;
      if (/^[\x21-\x7e]*$/.test(plain)) assert.ok(`.${plain.toLowerCase()}`.endsWith(`.${name.toLowerCase()}`));
    }
  },
};

export const spfTargets: readonly FuzzTarget[] = [record, evaluation, macros];
