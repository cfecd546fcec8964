import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSpf as check, spfZone as zone } from "../testing/spf-zone.ts";
import type { SpfQuery } from "./spf.ts";

test("SPF-012: any trouble with exp leaves the fail without an explanation", async () => {
  const explain = async (text: string | readonly string[] | undefined, sender?: SpfQuery["sender"]) => {
    const resolver = zone({ "example.org": "v=spf1 -all exp=why.example.org" });
    if (text !== undefined) resolver.add("why.example.org", "TXT", ...[text].flat());
    const outcome = await check(resolver, "example.org", sender && { sender });
    assert.equal(outcome.result, "fail");
    return outcome.explanation;
  };
  for (const text of [undefined, ["one", "two"], "é", "a\r\nb", "%{x}", "%", "100 %d"]) {
    assert.equal(await explain(text), undefined);
  }
  assert.equal(await explain("Ask %{c} at %{r}: %{t}%%"), "Ask 192.0.2.1 at unknown: 1700000000%");
  assert.equal((await explain("long ".repeat(1000)))?.length, 250);
  assert.equal(
    await explain("%{s} %{S}", { localPart: "jürg", domain: "example.org" }),
    "j?rg@example.org j%C3%BCrg%40example.org",
  );
  const resolver = zone({ "example.org": "v=spf1 -all exp=why.example.org" }).fail("why.example.org");
  assert.equal((await check(resolver, "example.org")).explanation, undefined);
});

test("SPF-012: an include's exp is not used, a redirect's is; a fail of include itself takes the outer one", async () => {
  const resolver = zone({
    "redirects.example": "v=spf1 exp=outer.example redirect=inner.example",
    "includes.example": "v=spf1 exp=outer.example include:inner.example -all",
    "refuses.example": "v=spf1 exp=outer.example -include:anyone.example",
    "anyone.example": "v=spf1 +all exp=inner-text.example",
    "inner.example": "v=spf1 -all exp=inner-text.example",
    "inner-text.example": "inner",
    "outer.example": "outer",
  });
  assert.equal((await check(resolver, "redirects.example")).explanation, "inner");
  assert.equal((await check(resolver, "includes.example")).explanation, "outer");
  assert.equal((await check(resolver, "refuses.example")).explanation, "outer");
});

test("SPF-013: every letter and transformer (RFC 7208 §7.4)", async () => {
  const expand = async (macro: string, clientAddress = "192.0.2.3") => {
    const resolver = zone({ "email.example.com": `v=spf1 exp=why.example -all`, "why.example": macro });
    const sender = { localPart: "strong-bad", domain: "email.example.com" };
    const outcome = await check(resolver, "email.example.com", { sender, clientAddress, receiverName: "mx.example" });
    return outcome.explanation;
  };
  const cases: readonly (readonly [string, string])[] = [
    ["%{s}", "strong-bad@email.example.com"], ["%{o}", "email.example.com"], ["%{d}", "email.example.com"],
    ["%{d4}", "email.example.com"], ["%{d3}", "email.example.com"], ["%{d2}", "example.com"], ["%{d1}", "com"],
    ["%{dr}", "com.example.email"], ["%{d2r}", "example.email"], ["%{l}", "strong-bad"], ["%{l-}", "strong.bad"],
    ["%{lr}", "strong-bad"], ["%{lr-}", "bad.strong"], ["%{l1r-}", "strong"], ["%{ir}.%{v}", "3.2.0.192.in-addr"],
    ["%{h} %{r} %{t}", "mail.example.net mx.example 1700000000"], ["%{p}", "unknown"], ["%{S}", "strong-bad%40email.example.com"],
    ["%{d99999999999999999999}", "email.example.com"], ["%%%_%-", "% %20"],
  ]; // prettier-ignore
  for (const [macro, expected] of cases) assert.equal(await expand(macro), expected, macro);
  const reversed = "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2";
  assert.equal(await expand("%{ir}.%{v} %{c}", "2001:db8::cb01"), `${reversed}.ip6 2001:db8::cb01`);
});

test("SPF-013: %{d} is the domain under evaluation within include and redirect", async () => {
  const resolver = zone({
    "example.org": "v=spf1 include:inner.example redirect=%{d}.next.example",
    "inner.example": "v=spf1 exists:%{d}.%{o}",
    "example.org.next.example": "v=spf1 exists:%{d}",
  });
  await check(resolver, "example.org");
  const asked = resolver.queries.filter((query) => query.startsWith("A "));
  assert.deepEqual(asked, ["A inner.example.example.org", "A example.org.next.example"]);
});

test("SPF-013: a name of more than 253 characters loses labels on the left", async () => {
  const label = "abcdefghi."; // 25 of them and 3 characters are 253.
  for (const [tail, kept] of [
    ["xyz", 25],
    ["xyz.", 25],
    ["wxyz", 24],
  ] as const) {
    const resolver = zone({ "example.org": `v=spf1 exists:${label.repeat(40)}${tail}` });
    await check(resolver, "example.org");
    assert.equal(resolver.queries[1], `A ${label.repeat(kept)}${tail.replace(".", "")}`);
  }
});

test("SPF-013: for a local-part outside of ASCII no term with it matches, escaped or included (RFC 8616 §4)", async () => {
  const sender = { localPart: "jürg", domain: "example.org" };
  for (const term of ["exists:%{L}.example", "include:%{S}.example", "ptr:%{l}.example"]) {
    const resolver = zone({ "example.org": `v=spf1 ${term} -all` });
    assert.equal((await check(resolver, "example.org", { sender })).result, "fail", term);
    assert.equal(resolver.queries.length, 1);
  }
  const redirected = zone({ "example.org": "v=spf1 redirect=%{L}.example", "j%C3%BCrg.example": "v=spf1 +all" });
  assert.equal((await check(redirected, "example.org", { sender })).result, "permerror");
});

test("SPF-013: names that cannot be asked for match nothing and are not asked", async () => {
  for (const term of ["exists:%{l}.example", "exists:a..example.org", `a:${"a".repeat(64)}.example.org`]) {
    const resolver = zone({ "example.org": `v=spf1 ${term} -all` });
    const sender = { localPart: "jürg", domain: "example.org" };
    assert.equal((await check(resolver, "example.org", { sender })).result, "fail", term);
    assert.equal(resolver.queries.length, 1);
  }
});
