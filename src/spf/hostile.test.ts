/** What strangers publish and send: bounded queries, work and memory, and the right verdict all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DnsAnswer, RecordType, RecordTypes, Resolver } from "../ports/resolver.ts";
import { describeSpf } from "./describe.ts";
import { parseSpfRecord } from "./record.ts";
import { checkHost } from "./spf.ts";
import type { SpfOutcome } from "./spf-outcome.ts";

/** One TXT record for every name there is; other types as told. */
class WildcardResolver implements Resolver {
  queries = 0;
  longestName = 0;
  readonly #text: string;
  readonly #others: { readonly [T in RecordType]?: readonly RecordTypes[T][] };

  constructor(text: string, others: { readonly [T in RecordType]?: readonly RecordTypes[T][] } = {}) {
    this.#text = text;
    this.#others = others;
  }

  query<T extends RecordType>(name: string, type: T): Promise<DnsAnswer<T>> {
    this.queries++;
    this.longestName = Math.max(this.longestName, name.length);
    const records = (type === "TXT" ? [this.#text] : this.#others[type]) as readonly RecordTypes[T][] | undefined;
    if (records === undefined) return Promise.resolve({ kind: "no-name", secure: false });
    return Promise.resolve({ kind: "records", records, name, ttlSeconds: 60, secure: false });
  }
}

function check(resolver: Resolver, localPart = "alice"): Promise<SpfOutcome> {
  const sender = { localPart, domain: "example.org" };
  const query = { clientAddress: "192.0.2.1", domain: "example.org", sender, hello: "mail.example.org" };
  return checkHost({ ...query, identity: "mailfrom" }, { resolver, now: 0 });
}

test("a record that includes or redirects to itself, or to ever new names, ends after ten look-ups", async () => {
  for (const term of ["include:example.org", "redirect=example.org", "include:x.%{d}", "redirect=x.%{d}"]) {
    const resolver = new WildcardResolver(`v=spf1 ${term}`);
    const outcome = await check(resolver);
    assert.equal(outcome.result, "permerror", term);
    assert.equal(resolver.queries, 11, term);
    assert.match((await describeSpf(resolver, "example.org")).records[0] ?? "", /^v=spf1/);
  }
});

test("ten mx terms with hundreds of hosts each, and ptr on top, ask no more than 132 queries", async () => {
  const hosts = Array.from({ length: 300 }, (_, index) => ({ preference: index, exchange: `h${index}.example.org` }));
  const names = hosts.map(({ exchange }) => exchange);
  const others = { MX: hosts.slice(0, 10), PTR: names, A: ["203.0.113.1"] };
  const many = new WildcardResolver(`v=spf1 ${"mx ".repeat(9)}ptr exp=%{p}.why.example -all`, others);
  assert.equal((await check(many)).result, "fail");
  assert.ok(many.queries <= 132, String(many.queries));
  const tooMany = new WildcardResolver("v=spf1 mx -all", { ...others, MX: hosts });
  assert.equal((await check(tooMany)).result, "permerror");
  assert.equal(tooMany.queries, 12);
});

test("hundreds of mechanisms are read; a record of more than 16 KB is a permerror", async () => {
  const networks = Array.from({ length: 800 }, (_, index) => `ip4:10.${index >> 8}.${index & 255}.0/24`).join(" ");
  assert.equal((await check(new WildcardResolver(`v=spf1 ${networks} -all`))).result, "fail");
  for (const filler of ["ip4:192.0.2.2 ", "a ", "%", "include:", " ", "x=%{s}"]) {
    const outcome = await check(new WildcardResolver(`v=spf1 ${filler.repeat(5_000_000 / filler.length)}`));
    assert.equal(outcome.result, "permerror");
    assert.ok(outcome.reason.length <= 300);
  }
});

test("macro bombs: names end at 253 characters and explanations at 250, whatever is repeated", async () => {
  const macros = "%{S}".repeat(2000);
  const names = new WildcardResolver(`v=spf1 a:${macros}.example.org exists:${macros} -all`, { AAAA: [] });
  assert.equal((await check(names, "a.".repeat(150))).result, "fail");
  assert.ok(names.longestName > 200 && names.longestName <= 253);
  // One text as record and as explanation: an explanation is any text that can be expanded.
  const both = new WildcardResolver(`v=spf1 -all exp=why.example.org x=${"%{S}%{I}".repeat(2000)}`);
  const outcome = await check(both);
  assert.deepEqual([outcome.result, outcome.explanation?.length], ["fail", 250]);
});

test("whatever is published: an answer, within the limits, and the same once more", async () => {
  const words = fc.constantFrom(
    "a", "mx", "ptr", "include:", "exists:", "redirect=", "exp=", "ip4:", "ip6:", "all", "example.org", "%{", "}", "%{d}",
    "%{p}", "%{l1r-}", "%%", "/", "//", "24", "-", "~", "?", "+", " ", ".", "192.0.2.1", "2001:db8::", ":", "=", "é", "\0",
  ); // prettier-ignore
  const records = fc.array(words, { maxLength: 40 }).map((parts) => `v=spf1 ${parts.join("")}`);
  const answers = fc.record({ a: fc.boolean(), mx: fc.boolean(), ptr: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(records, answers, async (text, { a, mx, ptr }) => {
      const resolver = new WildcardResolver(text, {
        ...(a && { A: ["192.0.2.9"] }),
        ...(mx && { MX: [{ preference: 1, exchange: "mx.example.org" }] }),
        ...(ptr && { PTR: ["mail.example.org"] }),
      });
      const outcome = await check(resolver);
      assert.ok(outcome.lookups <= 10 && outcome.voidLookups <= 2 && outcome.reason.length <= 300);
      assert.ok(resolver.queries <= 133);
      assert.ok((outcome.explanation ?? "").length <= 250);
      const parsed = parseSpfRecord(text);
      if ("problem" in parsed) assert.equal(outcome.result, "permerror");
      assert.deepEqual(await check(resolver), outcome);
      await describeSpf(resolver, "example.org");
    }),
    { numRuns: 2000 },
  );
});
