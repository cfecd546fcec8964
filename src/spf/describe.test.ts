import assert from "node:assert/strict";
import { test } from "node:test";
import { StaticResolver } from "../testing/static-resolver.ts";
import { allDescriptions, describeSpf } from "./describe.ts";

test("a tree of terms with the look-ups counted", async () => {
  const resolver = new StaticResolver()
    .add("example.org", "TXT", "v=spf1 a mx include:inner.example exists:%{i}.x.example redirect=_spf.%{d}")
    .add("example.org", "A", "192.0.2.1")
    .add("example.org", "AAAA", "2001:db8::1")
    .addMx("example.org", "10 mx.example.org")
    .add("inner.example", "TXT", "v=spf1 a:gone.example ip4:192.0.2.0/24 ?all")
    .add("_spf.example.org", "TXT", "v=spf1 -all");
  const { terms, ...root } = await describeSpf(resolver, "Example.org");
  assert.deepEqual([root.state, root.lookups, root.voidLookups, root.otherwise], ["valid", 6, 1, "fail"]);
  assert.deepEqual(
    terms.map(({ kind, lookups, voidLookups, found, varies }) => [kind, lookups, voidLookups, found.join(" "), varies]),
    [
      ["a", 1, 0, "192.0.2.1 2001:db8::1", false],
      ["mx", 1, 0, "mx.example.org", false],
      ["include", 2, 1, "", false],
      ["exists", 1, 0, "", true],
      ["redirect", 1, 0, "", false],
    ],
  );
  assert.equal(terms[2]?.below?.terms[0]?.text, "a:gone.example");
});

test("problems stand where they are", async () => {
  const resolver = new StaticResolver()
    .add("example.org", "TXT", "v=spf1 include:loop.example include:two.example include:bad.example ptr -all a")
    .add("loop.example", "TXT", "v=spf1 include:example.org")
    .add("two.example", "TXT", "v=spf1 -all", "v=spf1 +all")
    .add("bad.example", "TXT", "v=spf1 ip:192.0.2.1");
  const found = allDescriptions(await describeSpf(resolver, "example.org"));
  assert.deepEqual(
    found.map(({ domain, state, problems }) => [domain, state, problems.length]),
    [
      ["example.org", "valid", 2],
      ["loop.example", "valid", 0],
      ["two.example", "several", 1],
      ["bad.example", "invalid", 1],
      ["example.org", "invalid", 1],
    ],
  );
});

test("none, no name, no answer, no domain", async () => {
  const resolver = new StaticResolver()
    .add("none.example", "TXT", "x")
    .add("nodata.example", "A", "192.0.2.1")
    .fail("down.example");
  const states = ["none.example", "nodata.example", "gone.example", "down.example", "localhost"].map(
    async (domain) => (await describeSpf(resolver, domain)).state,
  );
  assert.deepEqual(await Promise.all(states), ["none", "none", "no-name", "failure", "no-name"]);
});
