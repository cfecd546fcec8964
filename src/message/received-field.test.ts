import assert from "node:assert/strict";
import { test } from "node:test";
import { readVectors } from "../testing/conformance-data.ts";
import { runVectors } from "../testing/run-vectors.ts";
import { HeaderCollector, parseHeaderFields } from "./header-section.ts";
import { isReceivedBy, makeReceived, type ReceivedFacts } from "./received-field.ts";

const facts: ReceivedFacts = {
  hello: "client.example",
  clientAddress: "192.0.2.7",
  byHost: "mail.example.org",
  protocol: "ESMTP",
  id: "4QJ7ZC2M9KXD",
  at: Date.UTC(2026, 0, 31, 9, 5, 7),
};

/** The field must be one field, whatever went into it; gives its unfolded value. */
function only(field: string): string {
  const progress = new HeaderCollector().push(Buffer.from(`${field}\r\nbody`));
  assert.equal(progress.kind, "complete");
  if (progress.kind !== "complete") throw new Error("unreachable");
  const section = parseHeaderFields(progress.header);
  assert.equal(section.fields.length, 1, field);
  assert.equal(section.fields[0]?.name, "received");
  assert.equal(progress.rest.toString(), "\r\nbody");
  for (const line of field.split("\r\n")) assert.ok(line.length <= 998 && !/[\r\n]/.test(line));
  return section.fields[0]?.value ?? "";
}

test("HDR-002: the field names the client as it calls itself and as it is, us, the protocol and the id", () => {
  assert.equal(
    makeReceived({ ...facts, recipient: "ann@example.org" }),
    "Received: from client.example ([192.0.2.7]) by mail.example.org with ESMTP\r\n" +
      "\tid 4QJ7ZC2M9KXD for <ann@example.org>; Sat, 31 Jan 2026 09:05:07 +0000\r\n",
  );
});

for (const protocol of ["SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA", "UTF8SMTPSA", "LMTP", "LMTPS", "UTF8LMTPS"]) {
  test(`HDR-002: with ${protocol}`, () => {
    assert.match(only(makeReceived({ ...facts, protocol })), new RegExp(`\\swith ${protocol}\\sid `));
  });
}

test("HDR-002: IPv6 addresses are literals with their tag, mapped ones are IPv4, zones stay away", () => {
  const from = (clientAddress: string) => only(makeReceived({ ...facts, clientAddress })).split(" by ")[0];
  assert.equal(from("2001:db8::1"), "from client.example ([IPv6:2001:db8::1])");
  assert.equal(from("::ffff:192.0.2.9"), "from client.example ([192.0.2.9])");
  assert.equal(from("fe80::1%eth0"), "from client.example ([IPv6:fe80::1])");
});

test("a client without an address or a name is still told", () => {
  const { clientAddress: _address, hello: _hello, ...rest } = facts;
  assert.match(only(makeReceived({ ...rest, hello: "lhlo.example" })), /^from lhlo\.example by mail/);
  assert.match(only(makeReceived({ ...rest, clientAddress: "192.0.2.7" })), /^from \[192\.0\.2\.7\] \(\[192/);
  assert.match(only(makeReceived(rest)), /^by mail\.example\.org with/);
});

test("what we made ourselves came from nobody and by no protocol", () => {
  const field = makeReceived({ byHost: "mail.example.org", id: "4QJ7ZC2M9KXD", at: facts.at });
  assert.equal(only(field), "by mail.example.org id 4QJ7ZC2M9KXD; Sat, 31 Jan 2026 09:05:07 +0000");
});

test("HDR-003: `for` is there only for one plain recipient; the date has four digits and a numeric zone", () => {
  const value = only(makeReceived({ ...facts, offsetMinutes: -210 }));
  assert.doesNotMatch(value, / for /);
  assert.match(value, /; Sat, 31 Jan 2026 05:35:07 -0330$/);
  assert.match(only(makeReceived({ ...facts, recipient: "a+b@example.org" })), / for <a\+b@example\.org>;/);
  for (const recipient of ['"a>b"@example.org', "grün@example.org", "a b@example.org", "a@example.org\r\nX: y"]) {
    assert.doesNotMatch(only(makeReceived({ ...facts, recipient })), / for /, recipient);
  }
});

test("SUB-012: the cipher of TLS is in a clause of its own", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  const value = only(makeReceived({ ...facts, protocol: "ESMTPSA", recipient: "ann@example.org", tls }));
  assert.match(value, / for <ann@example\.org>\s+tls TLS_AES_256_GCM_SHA384 \(TLSv1\.3\);/);
});

const hostileNames = [
  "a)(b",
  "a\r\nX-Evil: 1",
  "a\n b",
  'a"b',
  "a;b",
  "a(b",
  "a\\",
  "a\0b",
  "a by evil.example with ESMTP id 1; ",
  "x".repeat(2000),
  "grün.example",
  ")",
  "",
];
for (const hello of hostileNames) {
  test(`HDR-005: EHLO ${JSON.stringify(hello.slice(0, 40))} stays within its place`, () => {
    const value = only(makeReceived({ ...facts, hello }));
    assert.match(
      value,
      /^from [\w.:[\]?-]{1,255} \(\[192\.0\.2\.7\]\)\s+by mail\.example\.org\s+with ESMTP\s+id 4QJ7ZC2M9KXD;/,
    );
    assert.equal(isReceivedBy(value, "mail.example.org"), true);
    assert.equal(isReceivedBy(value, "evil.example"), false);
  });
}

test("HDR-006: lines stay within 78 octets where the parts allow it", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  const field = makeReceived({ ...facts, hello: "a".repeat(40), recipient: `${"r".repeat(30)}@example.org`, tls });
  for (const line of field.split("\r\n")) assert.ok(line.replace("\t", " ".repeat(8)).length <= 78, line);
});

test("our own field is recognised by the host that added it, and by nothing else", () => {
  const ours = (value: string) => isReceivedBy(value, "mail.example.org");
  assert.equal(ours("from x by MAIL.example.org. (x) with SMTP; date"), true);
  assert.equal(ours("by mail.example.org; date"), true);
  assert.equal(ours("from x (by mail.example.org) by other.example; date"), false);
  assert.equal(ours("from mail.example.org by other.example; date"), false);
  assert.equal(ours("from x (a \\) by mail.example.org) by other.example; date"), false);
  assert.equal(ours("from standby mail.example.org by other.example; date"), false);
  assert.equal(ours(""), false);
});

test("HDR-009: the host of real Received fields is found", async (t) => {
  interface Vector {
    readonly header: string;
    readonly expected: { readonly by?: { readonly Name?: string } } | null;
  }
  const vectors = readVectors<readonly Vector[]>(t, "headers", "received.json");
  if (vectors === undefined) return;
  const nameOf = ({ header }: Vector): string => header;
  await runVectors(t, "headers/received", vectors, nameOf, ({ header, expected }) => {
    const name = expected?.by?.Name;
    if (name === undefined) return { skipped: "no host is expected" };
    if (header.split(/\sby\s/).length > 2) return { skipped: 'which "by" is meant is anybody\'s guess' };
    const value = header.replaceAll(/\r?\n/g, "");
    assert.equal(isReceivedBy(value, name.replace(/\.$/, "")), true);
    return undefined;
  });
});
