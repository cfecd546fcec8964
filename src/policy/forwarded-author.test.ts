/** Which mail must not be forwarded, because our reverse-path would prove what it only claims. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClaimedDomains } from "../dmarc/author-domain.ts";
import type { DmarcOutcome, DmarcRecord } from "../dmarc/dmarc-outcome.ts";
import { ManualClock, settle } from "../testing/manual-clock.ts";
import { StaticResolver } from "../testing/static-resolver.ts";
import { patienceMs } from "./authentication/sender-authentication.ts";
import type { HandlingRule } from "./authentication/sender-verdict.ts";
import { checkForwardedAuthor, checkUncheckedAuthor } from "./forwarded-author.ts";
import { checkSrsRecipient } from "./srs-recipient.ts";

const record: DmarcRecord = {
  p: "reject",
  adkim: "relaxed",
  aspf: "relaxed",
  testing: false,
  psd: "u",
  rua: [],
  ruf: [],
  fo: [],
};
const failed: DmarcOutcome = {
  result: "fail",
  detail: "",
  authorDomain: "example.org",
  record,
  policy: "reject",
  spfAligned: false,
  dkimAligned: false,
};

function zone(): StaticResolver {
  const records = {
    "example.org": "v=DMARC1; p=reject",
    "news.example.org": "v=DMARC1; p=reject",
    "own.example.org": "v=DMARC1; p=reject; psd=n",
    "origin.test": "v=DMARC1; p=reject",
  };
  const resolver = new StaticResolver();
  for (const [domain, text] of Object.entries(records)) resolver.add(`_dmarc.${domain}`, "TXT", text);
  return resolver;
}

interface Given {
  /** What From may claim; only asked where DMARC found no single author. */
  readonly claims?: ClaimedDomains;
  readonly reversePath?: string;
  readonly disposition?: "junk" | "deliver";
  readonly rule?: HandlingRule;
  readonly resolver?: StaticResolver;
  readonly clock?: ManualClock;
}

async function reason(changes: Partial<DmarcOutcome>, given: Given = {}): Promise<string | undefined> {
  const { reversePath = "SRS0=x@mail.example.org", disposition = "junk" } = given;
  const { resolver = zone(), clock = new ManualClock(), rule = "reject-never" } = given;
  const verdict = { dmarc: { ...failed, ...changes }, disposition, rule };
  const { claims = { kind: "undecided", reason: "not to be asked" } } = given;
  const mail = { claims, reversePath, hostname: "mail.example.org" };
  const refusal = await checkForwardedAuthor(verdict, mail, { resolver, clock });
  return refusal?.reason;
}

const forged = "forwarded-author-forged";

test("a failed author with whom our reverse-path aligns is refused, by SPF of the EHLO name for the null one", async () => {
  assert.equal(await reason({}), forged);
  assert.equal(await reason({}, { reversePath: "ann@example.org" }), forged);
  assert.equal(await reason({}, { reversePath: "" }), forged);
  assert.equal(await reason({}, { reversePath: "SRS0=x@MAIL.Example.ORG" }), forged);
  assert.equal(await reason({ policy: "quarantine" }), forged);
  assert.equal(await reason({ authorDomain: "plain.example.org", organizationalDomain: "example.org" }), forged);
});

test("an author below our domain is refused too where its own record left its organisation unasked", async () => {
  for (const authorDomain of ["news.example.org", "news.mail.example.org", "mail.example.org"]) {
    assert.equal(await reason({ authorDomain }), forged, authorDomain);
    assert.equal(await reason({ authorDomain }, { reversePath: "ann@example.org" }), forged, authorDomain);
  }
});

test("our own reverse-path in U-labels is the same domain", async () => {
  const given = { reversePath: "ann@bücher.example" };
  assert.equal(await reason({ authorDomain: "xn--bcher-kva.example" }, given), forged);
});

test("what passed, has no policy, does not align, or is believed here all the same goes on", async () => {
  for (const result of ["pass", "none", "temperror", "permerror"] as const) {
    assert.equal(await reason({ result }), undefined);
  }
  assert.equal(await reason({ policy: "none" }), undefined);
  assert.equal(await reason({}, { reversePath: "SRS0=x@fwd.example.net" }), undefined);
  assert.equal(await reason({}, { reversePath: "x@[192.0.2.1]" }), undefined);
  assert.equal(await reason({ authorDomain: "origin.test" }), undefined);
  assert.equal(await reason({}, { disposition: "deliver" }), undefined);
  const strict = { record: { ...record, aspf: "strict" } } as const;
  assert.equal(await reason(strict), undefined);
  assert.equal(await reason(strict, { reversePath: "ann@example.org" }), forged);
});

test("a subdomain that says it is an organisation apart is one, whichever of the two it is", async () => {
  assert.equal(await reason({ authorDomain: "own.example.org" }), undefined);
  assert.equal(await reason({}, { reversePath: "ann@own.example.org" }), undefined);
  assert.equal(await reason({ authorDomain: "a.own.example.org" }, { reversePath: "ann@own.example.org" }), forged);
});

test("where DNS does not answer, or not in time, nobody knows, and the client is to come again", async () => {
  const author = { authorDomain: "news.example.org" };
  assert.equal(await reason(author, { resolver: zone().fail("_dmarc.org") }), "forwarded-author-unknown");
  const resolver = zone();
  const clock = new ManualClock();
  resolver.hold("_dmarc.mail.example.org", "TXT", new Promise(() => undefined));
  const asked = reason(author, { resolver, clock });
  await settle();
  await clock.advance(patienceMs);
  assert.equal(await asked, "forwarded-author-unknown");
  assert.equal(clock.pendingTimers, 0);
});

test("an author whom DNS trouble hides is delivered where the settings say so, and put off where it would lead on as ours", async () => {
  const hidden = { disposition: "deliver", rule: "hidden-by-dns-trouble" } as const;
  for (const authorDomain of ["example.org", "news.example.org"]) {
    assert.equal(await reason({ result: "temperror", authorDomain }, hidden), "forwarded-author-unknown", authorDomain);
  }
  assert.equal(await reason({ result: "temperror", authorDomain: "origin.test" }, hidden), undefined);
  const forwarder = { ...hidden, rule: "trusted-forwarder" } as const;
  assert.equal(await reason({ result: "temperror" }, forwarder), undefined);
});

test("nothing is asked where the names have nothing in common, nor for mail that may go on anyway", async () => {
  const resolver = zone();
  await reason({ authorDomain: "origin.test" }, { resolver });
  await reason({ policy: "none" }, { resolver });
  await reason({}, { resolver, disposition: "deliver" });
  assert.deepEqual(resolver.queries, []);
});

/** As DMARC leaves it where From names no single domain. */
async function reasonWithoutAuthor(claims: ClaimedDomains, given: Given = {}): Promise<string | undefined> {
  const { authorDomain: _author, record: _record, ...none } = { ...failed, result: "none", policy: "none" } as const;
  const verdict = {
    dmarc: none,
    disposition: given.disposition ?? "junk",
    rule: given.rule ?? ("unreadable-author" as const),
  };
  const { reversePath = "SRS0=x@mail.example.org", resolver = zone(), clock = new ManualClock() } = given;
  const refusal = await checkForwardedAuthor(
    verdict,
    { claims, reversePath, hostname: "mail.example.org" },
    { resolver, clock },
  );
  return refusal?.reason;
}

test("an author who cannot be told for certain is not sent on in our name, whatever becomes of the mail here", async () => {
  const undecided = { kind: "undecided", reason: "A comment is not closed" } as const;
  for (const disposition of ["junk", "deliver"] as const) {
    assert.equal(await reasonWithoutAuthor(undecided, { disposition }), "forwarded-author-unreadable");
    assert.equal(await reasonWithoutAuthor(undecided, { disposition, reversePath: "" }), "forwarded-author-unreadable");
  }
  // SPF proves nothing for an address literal, and a trusted forwarder has answered for its mail.
  assert.equal(await reasonWithoutAuthor(undecided, { reversePath: "x@[192.0.2.1]" }), undefined);
  assert.equal(await reasonWithoutAuthor(undecided, { rule: "trusted-forwarder" }), undefined);
});

test("of several authors none may be local; those of others go on, and nobody's mail does", async () => {
  const known = (...domains: readonly string[]) => ({ kind: "known", domains }) as const;
  assert.equal(await reasonWithoutAuthor(known("origin.test", "example.org")), forged);
  assert.equal(await reasonWithoutAuthor(known("news.example.org", "origin.test")), forged);
  assert.equal(await reasonWithoutAuthor(known("origin.test", "other.test")), undefined);
  assert.equal(await reasonWithoutAuthor(known()), undefined);
  const resolver = zone().fail("_dmarc.org");
  assert.equal(await reasonWithoutAuthor(known("news.example.org"), { resolver }), "forwarded-author-unknown");
});

test("unchecked mail of strangers does not go on in the name of our own domains", () => {
  const reason = (claims: ClaimedDomains, reversePath = "SRS0=x@mail.example.org") => {
    const mail = { claims, reversePath, hostname: "mail.example.org", forwardingDomain: "example.org" };
    const refusal = checkUncheckedAuthor(mail);
    return refusal?.reason;
  };
  const known = (...domains: readonly string[]) => ({ kind: "known", domains }) as const;
  for (const domain of ["example.org", "news.example.org", "mail.example.org", "a.mail.example.org"]) {
    assert.equal(reason(known("origin.test", domain)), "forwarded-author-unchecked", domain);
  }
  assert.equal(reason(known("origin.test")), undefined);
  assert.equal(reason(known()), undefined);
  assert.equal(reason({ kind: "undecided", reason: "x" }), "forwarded-author-unreadable");
  assert.equal(reason(known("example.org"), "x@[192.0.2.1]"), undefined);
});

test("a rewritten reverse-path is a recipient if it is ours and valid, whatever else 550 5.1.1", () => {
  const mailbox = { localPart: "joe", domain: "origin.test", domainKey: "origin.test" };
  assert.equal(checkSrsRecipient({ kind: "address", mailbox }).verdict, "accept");
  for (const kind of ["forged", "expired"] as const) {
    const decision = checkSrsRecipient({ kind });
    assert.ok(decision.verdict === "reject");
    assert.equal(decision.reply.code, 550);
    assert.equal(decision.reason, `forwarding-address-${kind}`);
  }
});
