import assert from "node:assert/strict";
import type { PeerCertificate } from "node:tls";
import { test } from "node:test";
import { wrongName } from "./tls-facts.ts";

const names = ["mx.example.org"];

function fault(commonName: string, subjectaltname: string | undefined, dnsNamesOnly: boolean): string | undefined {
  const certificate = { subject: { CN: commonName }, subjectaltname } as PeerCertificate;
  const demand = { kind: "pki", names, ...(dnsNamesOnly && { dnsNamesOnly }) } as const;
  return wrongName(certificate, { serverName: "mx.example.org", demand })?.message;
}

test("RFC 8461 §4.1: for MTA-STS only DNS names count, and a wildcard is a whole label", () => {
  for (const alternatives of ["DNS:mx.example.org", "DNS:other.test, DNS:*.example.org"]) {
    assert.equal(fault("x", alternatives, true), undefined, alternatives);
  }
  for (const alternatives of [
    undefined,
    "email:mx.example.org",
    "DNS:other.test",
    "DNS:m*.example.org",
    "DNS:*x.example.org",
    "DNS:mx.*.org",
    'DNS:other.test, URI:"http://x/, DNS:mx.example.org, y"',
    'DNS:other.test, URI:"\\", DNS:mx.example.org, y"',
  ]) {
    assert.notEqual(fault("mx.example.org", alternatives, true), undefined, String(alternatives));
  }
});

test("a host that a setting names may still have its name as the common name alone", () => {
  assert.equal(fault("mx.example.org", undefined, false), undefined);
  assert.match(fault("other.test", undefined, false) ?? "", /other\.test/);
});
