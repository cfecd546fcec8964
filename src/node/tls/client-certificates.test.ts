import { test } from "node:test";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { annAndBobCertificate } from "../../testing/client-certificates.ts";
import { emailsOf } from "./client-certificates.ts";
import { makeClientCertificate } from "./self-signed.ts";

test("e-mail addresses are read from subjectAltName as Node writes it, and quoted values are none", () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ["email:ann@example.org", ["ann@example.org"]],
    ["DNS:example.org, email:ann@example.org, IP Address:192.0.2.1", ["ann@example.org"]],
    ['email:"x, email:ann@example.org"', []],
    ['DNS:"x, email:ann@example.org", email:bob@example.org', ["bob@example.org"]],
    ['DNS:"a\\", email:ann@example.org"', []],
    ["", []],
    ["email:", []],
    ["no colon", []],
    ['email:ann@example.org, DNS:"unfinished', []],
    [Array.from({ length: 40 }, () => "email:a@b.example").join(", "), []],
  ];
  for (const [text, emails] of cases) assert.deepEqual(emailsOf(text), emails, text);
  const { subjectAltName = "" } = new X509Certificate(annAndBobCertificate.certificatePem);
  assert.deepEqual(emailsOf(subjectAltName), ["ann@example.org", "bob@example.org"]);
});

test("a device's certificate names its user, is for clients, and is valid for the days asked for", () => {
  const now = Date.UTC(2026, 0, 15);
  const { certificatePem, keyPem } = makeClientCertificate("ann@example.org", { days: 30, now });
  const certificate = new X509Certificate(certificatePem);
  assert.equal(certificate.subjectAltName, "email:ann@example.org");
  assert.equal(certificate.subject, "CN=ann@example.org");
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  assert.equal(certificate.ca, false);
  assert.equal(Date.parse(certificate.validTo), now + 30 * 86_400_000);
  assert.ok(certificate.verify(certificate.publicKey));
  assert.match(keyPem, /BEGIN PRIVATE KEY/);
  const foreign = new X509Certificate(makeClientCertificate("änn@example.org", { days: 1, now }).certificatePem);
  assert.equal(foreign.subjectAltName, undefined);
});
