import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DkimOutcome } from "../../dkim/dkim-outcome.ts";
import { parseAuthenticationResults } from "../../message/authentication-results.ts";
import { resultsField } from "../../testing/results-field.ts";
import { unfold } from "../../message/header-section.ts";
import { failingFindings } from "../../testing/sender-zone.ts";
import { refuse } from "../decision.ts";
import { methodResults } from "./authentication-results-field.ts";
import type { SenderFindings, SenderHandling } from "./sender-verdict.ts";

const junk: SenderHandling = { rule: "quarantine", disposition: "junk", why: "" };
const good: DkimOutcome = {
  result: "pass",
  reason: "good-signature",
  detail: "",
  domain: "example.org",
  selector: "2026",
  algorithm: "rsa-sha256",
  identity: "@news.example.org",
  signatureStart: "dGVzdA+/",
  testing: false,
  keyBits: 2048,
};

function field(findings: SenderFindings, handling = junk, client = "198.51.100.66"): string {
  return resultsField("mail.example.net", methodResults(findings, handling, client));
}

test("the field does not grow with the signatures that a stranger writes, and tells all that pass", () => {
  const long = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.example`;
  const bad: DkimOutcome = {
    ...good,
    result: "permerror",
    reason: "no-key",
    domain: long,
    selector: long,
    algorithm: "x".repeat(10_000),
    signatureStart: "y".repeat(10_000),
  };
  const dkim = [...Array.from({ length: 4000 }, () => bad), good];
  const text = field(failingFindings({ dkim }));
  assert.ok(text.length < 16_384, `${text.length} octets`);
  assert.equal(text.match(/dkim=pass/g)?.length, 1);
  assert.equal(text.match(/dkim=permerror/g)?.length, 9);
  assert.match(text, /dkim=policy reason="3991 more signatures"/);
});

test("AR-004 ARC-006 DMARC-016: the whole field, as programs read it", () => {
  const findings = failingFindings({
    helo: {
      result: "pass",
      identity: "helo",
      domain: "mx.other.example",
      reason: "",
      lookups: 0,
      voidLookups: 0,
    },
    dkim: [good, { ...good, result: "fail", reason: "body-hash-mismatch", domain: "list.example", testing: true }],
    arc: { result: "pass", detail: "", instance: 2, newestSealSaysFail: false, oldestPass: 1, sealers: ["a", "b"] },
  });
  assert.equal(
    field(findings),
    [
      "Authentication-Results: mail.example.net;",
      "\tiprev=permerror policy.iprev=198.51.100.66;",
      "\tspf=fail (matched -all) smtp.mailfrom=example.org;",
      "\tspf=pass smtp.helo=mx.other.example;",
      "\tdkim=pass header.d=example.org header.i=@news.example.org",
      '\t header.s=2026 header.a=rsa-sha256 header.b="dGVzdA+/";',
      "\tdkim=fail (the key is for testing) reason=body-hash-mismatch",
      "\t header.d=list.example header.s=2026 header.a=rsa-sha256",
      '\t header.b="dGVzdA+/";',
      "\tarc=pass (i=2) header.oldest-pass=1 smtp.remote-ip=198.51.100.66;",
      "\tdmarc=fail (p=reject dis=quarantine) header.from=example.org",
      "\t policy.dmarc=reject",
      "",
    ].join("\r\n"),
  );
});

test("an IPv6 client is quoted, since a colon is no part of a token", () => {
  const iprev = { result: "pass", name: "mx.example", detail: "" } as const;
  assert.match(
    field(failingFindings({ iprev }), junk, "2001:db8::1"),
    /iprev=pass \(mx\.example\) policy\.iprev="2001:db8::1"/,
  );
});

test("a refused message is told as such", () => {
  const decision = refuse("dmarc-fail", { author: "example.org", policy: "policy reject", failures: "" });
  assert.match(
    field(failingFindings(), { rule: "reject-always", disposition: "deliver", decision, why: "" }),
    /\(p=reject dis=reject\)/,
  );
});

test("AR-003: whatever stands in a signature or a name, it is one field that reads back as what was found", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 });
  fc.assert(
    fc.property(text, text, text, text, (domain, selector, identity, reason) => {
      const spf = { ...failingFindings().spf, domain, reason };
      const written = field(failingFindings({ spf, dkim: [{ ...good, domain, selector, identity, reason }] }));
      assert.match(written, /^Authentication-Results: (?:[\u0020-\u007e]|\r\n\t)+\r\n$/);
      const read = parseAuthenticationResults(unfold(written.slice("Authentication-Results:".length)).trim());
      assert.deepEqual(
        read?.results.map(({ method, result }) => `${method}=${result}`),
        ["iprev=permerror", "spf=fail", "dkim=pass", "arc=none", "dmarc=fail"],
      );
    }),
    { numRuns: 300 },
  );
});

test("AR-005: a local-part that nobody vouched for is not repeated", () => {
  const bad = { ...good, result: "fail", identity: "ceo@example.org" } as const;
  assert.doesNotMatch(field(failingFindings({ dkim: [bad] })), /ceo/);
});
