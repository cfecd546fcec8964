import assert from "node:assert/strict";
import { test } from "node:test";
import type { DkimOutcome } from "../dkim/dkim-outcome.ts";
import type { SpfOutcome } from "../spf/spf-outcome.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { dkimOutcome, spfOutcome } from "../testing/dmarc-evidence.ts";
import { evaluateDmarc } from "./evaluate-dmarc.ts";

interface Given {
  readonly spf?: SpfOutcome;
  readonly dkim?: readonly DkimOutcome[];
  readonly nullReversePath?: boolean;
}

function evaluate(resolver: StaticResolver, domain: string, { spf, dkim = [], nullReversePath = false }: Given = {}) {
  return evaluateDmarc({ author: { kind: "domain", domain }, spf, dkim, nullReversePath }, { resolver });
}

/** `{ "example.org": "v=DMARC1; p=none" }` */
function records(texts: Readonly<Record<string, string | readonly string[]>>): StaticResolver {
  const resolver = new StaticResolver();
  for (const [domain, text] of Object.entries(texts)) resolver.add(`_dmarc.${domain}`, "TXT", ...[text].flat());
  return resolver;
}

function names(resolver: StaticResolver): readonly string[] {
  return resolver.queries.map((query) => query.replace(/^TXT _dmarc\./, ""));
}

test("DMARC-003: several records at a name count as none there, and the walk goes on", async () => {
  const resolver = records({
    "a.example.org": ["v=DMARC1; p=reject", "v=DMARC1; p=none"],
    "example.org": ["other text", "v=DMARC1; p=quarantine"],
  });
  const outcome = await evaluate(resolver, "a.example.org");
  assert.deepEqual([outcome.result, outcome.policy, outcome.policyDomain], ["fail", "quarantine", "example.org"]);
});

test("DMARC-003: a broken record beside a sound one makes two of them", async () => {
  const resolver = records({ "example.org": ["v=DMARC1; p=reject", "v=DMARC1; p=none; p=none"] });
  assert.equal((await evaluate(resolver, "example.org")).result, "none");
});

test("DMARC-004: thirteen labels take eight queries, in this order", async () => {
  const resolver = records({});
  await evaluate(resolver, "a.b.c.d.e.f.g.h.i.j.mail.example.com");
  assert.deepEqual(names(resolver), [
    "a.b.c.d.e.f.g.h.i.j.mail.example.com",
    "g.h.i.j.mail.example.com",
    "h.i.j.mail.example.com",
    "i.j.mail.example.com",
    "j.mail.example.com",
    "mail.example.com",
    "example.com",
    "com",
  ]);
});

test("DMARC-004: eight labels, and seven, leave out nothing", async () => {
  for (const domain of ["a.b.c.d.e.f.example.com", "b.c.d.e.f.example.com"]) {
    const resolver = records({});
    await evaluate(resolver, domain);
    const labels = domain.split(".");
    assert.deepEqual(
      names(resolver),
      labels.map((_, index) => labels.slice(index).join(".")),
    );
  }
});

test("DMARC-004: psd=y and psd=n end the walk", async () => {
  for (const psd of ["y", "n"]) {
    const resolver = records({ "example.org": `v=DMARC1; p=reject; psd=${psd}` });
    await evaluate(resolver, "a.b.example.org");
    assert.deepEqual(names(resolver), ["a.b.example.org", "b.example.org", "example.org"]);
  }
});

test("DMARC-004: a name too long for DNS is not asked for", async () => {
  const resolver = records({ org: "v=DMARC1; p=reject" });
  const label = "x".repeat(61);
  const outcome = await evaluate(resolver, `${label}.${label}.${label}.${label}.org`);
  assert.deepEqual([outcome.result, outcome.policyDomain], ["fail", "org"]);
  assert.equal(resolver.queries.length, 4);
});

test("DMARC-005: policy of the author domain, else of the organisation, else of the suffix; never of one between", async () => {
  const tree = {
    "a.b.bank.example": "v=DMARC1; p=none",
    "b.bank.example": "v=DMARC1; p=quarantine",
    "bank.example": "v=DMARC1; p=quarantine; sp=none",
    example: "v=DMARC1; p=reject; psd=y",
  };
  const where = async (domain: string) => (await evaluate(records(tree), domain)).policyDomain;
  assert.equal(await where("a.b.bank.example"), "a.b.bank.example");
  assert.equal(await where("x.b.bank.example"), "bank.example");
  assert.equal(await where("other.example"), "example");
  assert.equal(await where("x.other.example"), "example");
  assert.equal(await where("example"), "example");
  assert.equal(await where("bank.test"), undefined);
});

/** The organisation shows in what is aligned: the signature of a domain below or beside. */
async function aligned(resolver: StaticResolver, author: string, signer: string): Promise<boolean> {
  return (await evaluate(resolver, author, { dkim: [dkimOutcome("pass", signer)] })).dkimAligned;
}

test("DMARC-006: the three examples of RFC 9989 §4.10.2", async () => {
  const fewest = { "mail.example.com": "v=DMARC1; p=none", "example.com": "v=DMARC1; p=none" };
  const first = await evaluate(records(fewest), "a.mail.example.com");
  assert.equal(first.organizationalDomain, "example.com");
  const marked = { ...fewest, "mail.example.com": "v=DMARC1; p=none; psd=n" };
  const second = await evaluate(records(marked), "a.mail.example.com");
  assert.equal(second.organizationalDomain, "mail.example.com");
  const third = await evaluate(records({ com: "v=DMARC1; p=none; psd=y" }), "a.mail.example.com");
  assert.equal(third.organizationalDomain, "example.com");
});

test("DMARC-006: a suffix that sends mail itself is its own organisation", async () => {
  const resolver = records({ "co.example": "v=DMARC1; p=reject; psd=y" });
  assert.equal(await aligned(resolver, "co.example", "co.example"), true);
  assert.equal(await aligned(resolver, "co.example", "shop.co.example"), false);
  assert.equal(await aligned(resolver, "a.shop.co.example", "b.shop.co.example"), true);
  assert.equal(await aligned(resolver, "a.shop.co.example", "b.fake.co.example"), false);
});

test("DMARC-007: p for the domain itself, sp below it, np for what does not exist, each falling back", async () => {
  const policies = async (tags: string, domain: string) => {
    const resolver = records({ "example.org": `v=DMARC1; ${tags}` }).add("there.example.org", "MX");
    resolver.add("alias.example.org", "CNAME", "gone.example.net");
    const { policy, policyTag } = await evaluate(resolver, domain);
    return `${policy} ${policyTag}`;
  };
  const all = "p=none; sp=quarantine; np=reject";
  assert.equal(await policies(all, "example.org"), "none p");
  assert.equal(await policies(all, "there.example.org"), "quarantine sp");
  assert.equal(await policies(all, "gone.example.org"), "reject np");
  // An alias exists, even one that leads nowhere (RFC 8020).
  assert.equal(await policies(all, "alias.example.org"), "quarantine sp");
  assert.equal(await policies("p=reject; sp=quarantine", "gone.example.org"), "quarantine sp");
  assert.equal(await policies("p=reject", "gone.example.org"), "reject p");
  assert.equal(await policies("p=reject; np=none", "there.example.org"), "reject p");
});

test("DMARC-007: only a record with an np of its own asks whether the domain exists", async () => {
  const plain = records({ "example.org": "v=DMARC1; p=reject; sp=none; np=none" });
  await evaluate(plain, "a.example.org");
  assert.ok(plain.queries.every((query) => query.startsWith("TXT ")));
  const failing = records({ "example.org": "v=DMARC1; p=none; np=reject" }).fail("a.example.org");
  assert.equal((await evaluate(failing, "a.example.org")).result, "temperror");
  const passed = await evaluate(failing, "a.example.org", { dkim: [dkimOutcome("pass", "a.example.org")] });
  assert.deepEqual([passed.result, passed.policy], ["pass", "none"]);
});

test("DMARC-008: a record without policy and without rua stops everything, above it too", async () => {
  const resolver = records({ "a.example.org": "v=DMARC1; adkim=s", "example.org": "v=DMARC1; p=reject" });
  const outcome = await evaluate(resolver, "a.example.org");
  assert.deepEqual([outcome.result, outcome.policy], ["permerror", "none"]);
  const reporting = records({ "example.org": "v=DMARC1; rua=mailto:x@example.org" });
  assert.deepEqual((await evaluate(reporting, "example.org")).policy, "none");
});

test("DMARC-009: t=y lowers by one step, whichever tag it is; pct does nothing", async () => {
  const policy = async (text: string, domain = "example.org") =>
    (await evaluate(records({ "example.org": text }), domain)).policy;
  assert.equal(await policy("v=DMARC1; p=reject; t=y"), "quarantine");
  assert.equal(await policy("v=DMARC1; p=quarantine; t=y"), "none");
  assert.equal(await policy("v=DMARC1; p=none; t=y"), "none");
  assert.equal(await policy("v=DMARC1; p=none; sp=reject; t=y", "a.example.org"), "quarantine");
  assert.equal(await policy("v=DMARC1; p=reject; pct=0"), "reject");
});

test("DMARC-010: strict wants the same name and never falls through to relaxed", async () => {
  const strict = records({ "example.org": "v=DMARC1; p=reject; adkim=s; aspf=s" });
  assert.equal(await aligned(strict, "example.org", "EXAMPLE.org"), true);
  assert.equal(await aligned(strict, "example.org", "mail.example.org"), false);
  assert.equal(await aligned(strict, "mail.example.org", "example.org"), false);
  const spf = await evaluate(strict, "example.org", { spf: spfOutcome("pass", "mail.example.org") });
  assert.equal(spf.spfAligned, false);
});

test("DMARC-010: relaxed compares organisations, not endings", async () => {
  const resolver = records({ "example.org": "v=DMARC1; p=reject", "own.example.org": "v=DMARC1; p=none; psd=n" });
  assert.equal(await aligned(resolver, "example.org", "a.b.example.org"), true);
  assert.equal(await aligned(resolver, "a.example.org", "b.example.org"), true);
  assert.equal(await aligned(resolver, "example.org", "notexample.org"), false);
  assert.equal(await aligned(resolver, "example.org", "org"), false);
  assert.equal(await aligned(resolver, "example.org", "own.example.org"), false);
  assert.equal(await aligned(resolver, "a.own.example.org", "example.org"), false);
});

test("DMARC-011: SPF vouches for the MAIL FROM domain; HELO counts only with the null reverse-path", async () => {
  const resolver = records({ "example.org": "v=DMARC1; p=reject" });
  const helo = spfOutcome("pass", "example.org", "helo");
  assert.equal((await evaluate(resolver, "example.org", { spf: helo, nullReversePath: true })).result, "pass");
  assert.equal((await evaluate(resolver, "example.org", { spf: helo })).result, "fail");
  const mailFrom = spfOutcome("pass", "example.org");
  assert.equal((await evaluate(resolver, "example.org", { spf: mailFrom })).result, "pass");
});

test("DMARC-012: one aligned pass is enough, and nothing but pass counts", async () => {
  const given: readonly (readonly [Given, string])[] = [
    [{ spf: spfOutcome("pass", "example.org"), dkim: [dkimOutcome("fail", "example.org")] }, "pass"],
    [{ spf: spfOutcome("fail", "example.org"), dkim: [dkimOutcome("pass", "example.org")] }, "pass"],
    [{ dkim: [dkimOutcome("pass", "other.example"), dkimOutcome("pass", "example.org")] }, "pass"],
    [{ spf: spfOutcome("pass", "other.example"), dkim: [dkimOutcome("pass", "other.example")] }, "fail"],
    [{ spf: spfOutcome("softfail", "example.org") }, "fail"],
    [{ spf: spfOutcome("neutral", "example.org") }, "fail"],
    [{ dkim: [dkimOutcome("policy", "example.org"), dkimOutcome("neutral", "example.org")] }, "fail"],
    [{}, "fail"],
  ];
  for (const [evidence, result] of given) {
    const resolver = records({ "example.org": "v=DMARC1; p=reject" });
    const outcome = await evaluate(resolver, "example.org", evidence);
    assert.equal(outcome.result, result, outcome.detail);
  }
});

test("DMARC-013: what DNS does not answer makes neither pass nor fail", async () => {
  const own = records({}).fail("_dmarc.example.org");
  assert.equal((await evaluate(own, "example.org")).result, "temperror");
  const above = records({}).fail("_dmarc.org");
  assert.equal((await evaluate(above, "example.org")).result, "temperror");
  // Where the policy is known, only what it would be compared with can be missing.
  const parent = records({ "example.org": "v=DMARC1; p=reject" }).fail("_dmarc.org");
  assert.equal((await evaluate(parent, "example.org")).result, "fail");
  const needed = { dkim: [dkimOutcome("pass", "a.example.org")] };
  assert.equal((await evaluate(parent, "example.org", needed)).result, "temperror");
  const another = { dkim: [dkimOutcome("pass", "a.example.org"), dkimOutcome("pass", "example.org")] };
  assert.equal((await evaluate(parent, "example.org", another)).result, "pass");
});

test("DMARC-013: patience that has ended is a temporary error", async () => {
  const resolver = records({ "example.org": "v=DMARC1; p=reject" });
  const outcome = await evaluateDmarc(
    { author: { kind: "domain", domain: "example.org" }, spf: undefined, nullReversePath: false, dkim: [] },
    { resolver, signal: AbortSignal.abort() },
  );
  assert.deepEqual([outcome.result, outcome.policy], ["temperror", "none"]);
});

test("DMARC-013: SPF or DKIM that could not be checked and would align leaves the result open", async () => {
  const result = async (given: Given) =>
    (await evaluate(records({ "example.org": "v=DMARC1; p=reject" }), "example.org", given)).result;
  assert.equal(await result({ spf: spfOutcome("temperror", "a.example.org") }), "temperror");
  assert.equal(await result({ dkim: [dkimOutcome("temperror", "example.org")] }), "temperror");
  assert.equal(await result({ spf: spfOutcome("temperror", "other.example") }), "fail");
  assert.equal(
    await result({ spf: spfOutcome("temperror", "example.org"), dkim: [dkimOutcome("pass", "example.org")] }),
    "pass",
  );
});

test("DMARC-015: p=none fails with the policy none", async () => {
  const outcome = await evaluate(records({ "example.org": "v=DMARC1; p=none; sp=reject" }), "example.org");
  assert.deepEqual([outcome.result, outcome.policy], ["fail", "none"]);
});

test("DMARC-001: without one author domain nothing is evaluated and nothing asked", async () => {
  const resolver = records({});
  const outcome = await evaluateDmarc(
    { author: { kind: "several", detail: "two" }, spf: undefined, nullReversePath: false, dkim: [] },
    { resolver },
  );
  assert.deepEqual([outcome.result, outcome.policy, outcome.detail], ["none", "none", "two"]);
  assert.deepEqual(resolver.queries, []);
});

test("identifiers equal to the author domain cost one query, others share theirs", async () => {
  const resolver = records({ "example.org": "v=DMARC1; p=reject" });
  const own = { spf: spfOutcome("pass", "example.org"), dkim: [dkimOutcome("pass", "example.org")] };
  await evaluate(resolver, "example.org", own);
  assert.deepEqual(names(resolver), ["example.org"]);

  const strangers = records({ "example.org": "v=DMARC1; p=reject" });
  await evaluate(strangers, "example.org", { spf: spfOutcome("pass", "esp.example.net") });
  assert.deepEqual(names(strangers), ["example.org"]);

  const below = records({ "example.org": "v=DMARC1; p=reject" });
  const several = ["a.example.org", "b.example.org", "a.example.org"].map((domain) => dkimOutcome("pass", domain));
  await evaluate(below, "example.org", { spf: spfOutcome("pass", "a.example.org"), dkim: several });
  assert.deepEqual(names(below).toSorted(), ["a.example.org", "b.example.org", "example.org", "org"]);
});

test("a thousand signatures cost a bounded number of queries", async () => {
  const resolver = records({ "example.org": "v=DMARC1; p=reject" });
  const deep = "b.c.d.e.f.g.h.i.j.k.example.org";
  const dkim = Array.from({ length: 1000 }, (_, index) => dkimOutcome("pass", `x${index}.${deep}`));
  await evaluate(resolver, "example.org", { dkim });
  assert.ok(resolver.queries.length <= 16 + 8 + 2, String(resolver.queries.length));
});
