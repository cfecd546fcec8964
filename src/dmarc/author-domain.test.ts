import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHeaderFields } from "../message/header-section.ts";
import { readAuthorDomain, readClaimedDomains } from "./author-domain.ts";

function authorOf(...fields: readonly (string | Buffer)[]): string {
  const header = Buffer.concat(fields.flatMap((field) => [Buffer.from(field), Buffer.from("\r\n")]));
  const author = readAuthorDomain(parseHeaderFields(header));
  return author.kind === "domain" ? author.domain : author.kind;
}

const cases: readonly (readonly [field: string, author: string])[] = [
  ["From: a@Example.ORG", "example.org"],
  ["FROM : <a@example.org>", "example.org"],
  ["From: a@bücher.example", "xn--bcher-kva.example"],
  ["From: a@xn--bcher-kva.example", "xn--bcher-kva.example"],
  ["From: friends: a@example.org;", "example.org"],
  ["From: a@example.org, b@EXAMPLE.org", "example.org"],
  ['From: "a@bank.example" <a@evil.example>', "evil.example"],
  ["From: =?utf-8?q?a=40bank.example?= <a@evil.example>", "evil.example"],
  ["From: (a@bank.example) a@evil.example (b@bank.example)", "evil.example"],
  ["From: a@\r\n evil.example", "evil.example"],
  ['From: "a@bank.example"@evil.example', "evil.example"],
  // Local-parts that SMTP would not carry; the domain is plain all the same.
  [`From: <${"a".repeat(100)}@example.org>`, "example.org"],
  ["From: a..b.@example.org", "example.org"],
  ["From: a@under_score.example", "under_score.example"],
  ["From:", "none"],
  ["From: undisclosed-recipients:;", "none"],
  ["From: a@[192.0.2.1]", "none"],
  ["From: a@bank.example, b@evil.example", "several"],
  ["From: a@bank.example <a@evil.example>", "malformed"],
  ["From: a@bank.example@evil.example", "malformed"],
  ["From: a@bank.example b@evil.example", "malformed"],
  ["From: <a@bank.example> <a@evil.example>", "malformed"],
  ["From: <a@=?utf-8?q?bank.example?=>", "malformed"],
  ["From: =?utf-8?b?YUBiYW5rLmV4YW1wbGU=?=", "malformed"],
  ["From: a@evil.example\u0000.bank.example", "malformed"],
  ["From: somebody", "malformed"],
  ["From: a@.example.org", "malformed"],
];
for (const [field, author] of cases) {
  test(`DMARC-001: author domain of ${JSON.stringify(field).slice(0, 80)}`, () => {
    assert.equal(authorOf("Subject: x", field, "To: x@other.example"), author);
  });
}

test("DMARC-001: no From field, or two, even equal ones, name no author domain", () => {
  assert.equal(authorOf("Sender: a@example.org"), "none");
  assert.equal(authorOf("From: a@example.org", "From: a@example.org"), "several");
  assert.equal(authorOf("From: a@example.org", "from : b@bank.example"), "several");
});

test("DMARC-001: a domain in octets that are no UTF-8 names nobody", () => {
  assert.equal(authorOf(Buffer.from("From: a@b\xfccher.example", "latin1")), "malformed");
  assert.equal(authorOf(Buffer.from("From: J\xfcrgen <a@example.org>", "latin1")), "example.org");
});

const claims: readonly (readonly [claimed: string, ...fields: readonly string[]])[] = [
  ["", "Subject: a@ours.test"],
  ["", "From:"],
  ["", "From: MAILER-DAEMON"],
  ["", "From: Mail Delivery System <MAILER-DAEMON>"],
  ["", "From: undisclosed-recipients:;"],
  ["", "From: a@[192.0.2.1]"],
  ["ours.test", "From: CEO <ceo@OURS.test>"],
  ["ours.test evil.test", "From: ceo@ours.test, a@evil.test"],
  ["ours.test evil.test", "From : ceo@ours.test", "from: a@evil.test"],
  ["undecided", "From: ceo@ours.test (CEO"],
  ["undecided", "From: CEO <ceo@ours.test> x"],
  ["undecided", "From: CE\u0001O <ceo@ours.test>"],
  ["undecided", 'From: "ceo@ours.test":;'],
  ["undecided", "From: =?utf-8?b?Y2VvQG91cnMudGVzdA==?="],
  ["undecided", "From: ceo\uff20ours.test"],
  ["undecided", "From: a@evil.test", "From: ceo@ours.test x"],
  ["undecided", `From: ${Array.from({ length: 11 }, (_, index) => `a@d${index}.test`).join(", ")}`],
];
for (const [claimed, ...fields] of claims) {
  test(`domains that some reader may find in ${JSON.stringify(fields).slice(0, 80)}`, () => {
    const found = readClaimedDomains(parseHeaderFields(Buffer.from(fields.map((field) => `${field}\r\n`).join(""))));
    assert.equal(found.kind === "known" ? found.domains.join(" ") : found.kind, claimed);
  });
}
